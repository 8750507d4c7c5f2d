module github.com/theeye-dev/theeye/hack/chaos

go 1.26.0

replace github.com/theeye-dev/theeye => ../..

require github.com/google/go-cmp v0.7.0 // indirect
