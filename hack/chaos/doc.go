// Command chaos tries to make TheEye lose an event, or keep one twice. It runs the services on a real Redis and a real
// PostgreSQL with a proxy on every link, lets clients post and write down what they were answered, breaks everything that
// can break, and holds what is stored against what was promised: hack/decisions/0012-chaos.md.
//
// A seed decides what is sent, what is broken, and when; it does not decide how the processes' work interleaves. A run
// that found something is judged again with -check, and repeated with -seeds. With -cluster Redis is a Redis Cluster; with
// -scale nothing is broken, and replicas are measured: hack/decisions/0018-cluster.md.
package main
