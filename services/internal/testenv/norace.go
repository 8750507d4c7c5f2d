//go:build !race

package testenv

// raceDetector says that the tests run with the race detector.
const raceDetector = false
