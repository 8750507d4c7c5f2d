// Package install is what an installation of TheEye in Kubernetes needs done once, before, beside and after its services
// run. The chart's hooks run each as a Job of the operator's image:
//
//	passwords   before the first start   the Secret of what auth encrypts with, and of the passwords of the Redis and
//	                                     PostgreSQL that come along
//	try         helm test                one event, from an Application of its own to the answer of a query, and all away again
//	retire      before the uninstall     ends the operator, and takes its finalizer off the Applications, which stay
//
// Each can be repeated, and goes on where an earlier run was cut off. What each may do is in charts/theeye/files/rbac.
package install
