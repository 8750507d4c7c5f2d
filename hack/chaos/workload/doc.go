// Package workload is the clients of a chaos run: they post events as apps do that lose nothing, and as those that make
// mistakes, and write down what they are about to send and what they were answered. What is sent follows from a seed;
// when it is sent, and in what order between clients, does not.
package workload
