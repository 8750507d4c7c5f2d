// Command operator says what thousands of Applications cost: how long the operator takes for them, its memory and CPU
// time, and what it asks of the API server, auth and persistence while it provisions them, while nothing changes, and
// after a restart.
//
// Requests are counted where they arrive: those to the API server in its audit log, by the user who sent them, those to
// auth and persistence in their own metrics. The operator's memory and CPU time are the kernel's account of its process.
package main
