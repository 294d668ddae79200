// Go clients of Confluent's REST proxy: `v3`, the SDK that Confluent generates of its description and uses in its own command line, and `v2`, kafka-rest-go.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

type testCase struct {
	name string
	run  func()
}

var url = os.Args[2]

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func done(err error) {
	if err != nil {
		panic(err)
	}
}

func equal(got, wanted any) {
	if fmt.Sprint(got) != fmt.Sprint(wanted) {
		panic(fmt.Sprintf("got %v, not %v", got, wanted))
	}
}

func unique(kind string) string { return fmt.Sprintf("compat-rest-%s-%x", kind, rand.Uint64()) }

func until(what string, condition func() bool) {
	for end := time.Now().Add(30 * time.Second); !condition(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			panic("never: " + what)
		}
	}
}

func main() {
	cases := sdkCases()
	if os.Args[1] == "v2" {
		cases = v2Cases()
	}
	for _, each := range cases {
		began := time.Now()
		func() {
			defer func() {
				if failure := recover(); failure != nil {
					fmt.Printf("FAIL %s: %.300s\n", each.name, strings.Join(strings.Fields(fmt.Sprint(failure)), " "))
				} else {
					fmt.Printf("ok %s (%d ms)\n", each.name, time.Since(began).Milliseconds())
				}
			}()
			each.run()
		}()
	}
}
