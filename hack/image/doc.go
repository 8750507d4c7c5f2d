// Command image builds the images of TheEye's services with ko and pushes them: make image.
//
// What ko does not decide itself is decided here: to which registry, on which base, under which tags. How a binary is
// built is in .ko.yaml.
package main
