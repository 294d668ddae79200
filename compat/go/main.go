// Cases for Go's clients: compat franz-go|sarama|kafka-go HOST:PORT [case...]. A line for each case.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

const caseTime = 60 * time.Second

// Those in which the broker is killed: a real Kafka takes long to start.
const crashTime = 240 * time.Second

var (
	address string
	names   int
	run     = fmt.Sprintf("%x", time.Now().UnixNano())
	hourAgo = time.Now().Add(-time.Hour).Truncate(time.Millisecond)
)

type testCase struct {
	name string
	body func(context.Context) error
}

func unique(kind string) string {
	names++
	return fmt.Sprintf("compat-go-%s-%s-%d", kind, run, names)
}

func main() {
	address = firstOf(os.Args[2])
	cases := map[string][]func() []testCase{
		"franz-go": {franzCases, franzModernCases, franzSecuredCases, franzCrashCases},
		"sarama":   {saramaCases, saramaTxnCases, saramaSecuredCases},
		"kafka-go": {kafkaGoCases, kafkaGoSecuredCases},
	}[os.Args[1]]
	for _, some := range cases {
		for _, each := range some() {
			if len(os.Args) < 4 || slices.Contains(os.Args[3:], each.name) {
				check(each)
			}
		}
	}
}

func check(each testCase) {
	began := time.Now()
	limit := caseTime
	if strings.HasPrefix(each.name, "crash") {
		limit = crashTime
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- fmt.Errorf("panic: %v", r)
			}
		}()
		done <- each.body(ctx)
	}()
	var err error
	select {
	case err = <-done:
	case <-time.After(limit + 5*time.Second):
		err = fmt.Errorf("still running after %s", limit)
	}
	if errors.Is(err, errSkip) {
		fmt.Printf("skip %s: %s\n", each.name, err)
		return
	}
	if err != nil {
		fmt.Printf("FAIL %s: %s\n", each.name, strings.Join(strings.Fields(err.Error()), " "))
		return
	}
	fmt.Printf("ok %s (%d ms)\n", each.name, time.Since(began).Milliseconds())
}

// must is for preparations: what fails there panics, and check tells it.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func equal[T comparable](got, wanted T) error {
	if got != wanted {
		return fmt.Errorf("got %v, not %v", got, wanted)
	}
	return nil
}

func sameValues(got, wanted []string) error {
	got, wanted = slices.Clone(got), slices.Clone(wanted)
	slices.Sort(got)
	slices.Sort(wanted)
	if !slices.Equal(got, wanted) {
		return fmt.Errorf("got %d other values, not the %d sent", len(got), len(wanted))
	}
	return nil
}

func until(ctx context.Context, what func() string, condition func() bool) error {
	for end := time.Now().Add(40 * time.Second); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) || ctx.Err() != nil {
			return fmt.Errorf("never: %s", what())
		}
	}
	return nil
}

func numbers(count int) []string {
	values := make([]string, count)
	for i := range values {
		values[i] = fmt.Sprintf("%d-%s", i, strings.Repeat("x", 50))
	}
	return values
}
