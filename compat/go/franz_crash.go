package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// franz-go over SASL_SSL with ACLs while the broker is killed and started again: nothing is lost, nothing twice.

const franzCrashCount = 3000

// crash has the harness kill the broker.
func crash() { fmt.Println("crash") }

// franzFill sends all numbers while the broker is killed; every one has to be acknowledged.
func franzFill(ctx context.Context, topic string, options []kgo.Opt) error {
	client := franzClient(append(options, kgo.ProducerBatchMaxBytes(1024))...)
	defer client.Close()
	var failed atomic.Pointer[error]
	for i := range franzCrashCount {
		if i == franzCrashCount/3 {
			crash()
		}
		client.Produce(ctx, &kgo.Record{Topic: topic, Value: []byte(strconv.Itoa(i))}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
		time.Sleep(100 * time.Microsecond)
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

func franzCrash(ctx context.Context) error {
	options := func() []kgo.Opt { return franzSASL("SASL_SSL", franzScram512(secured.User)) }
	source, made := franzTopicOf(ctx, options())
	target, alsoMade := franzTopicOf(ctx, options())
	if err := errors.Join(made, alsoMade, franzFill(ctx, source, options())); err != nil {
		return err
	}
	var moved atomic.Int64
	ended, finished := make(chan error, 1), make(chan struct{})
	group, id := unique("group"), unique("txn")
	working, stop := context.WithCancel(ctx)
	go func() {
		defer close(finished)
		for working.Err() == nil {
			// What fails begins anew, from what is committed; the same transactional id ends what was open.
			err := franzTransform(working, source, target, group, franzCrashCount*2, &moved, append(append(options(), franz848()...), kgo.TransactionalID(id))...)
			if err == nil {
				break
			}
		}
	}()
	go func() {
		ended <- franzCrashAt(working, &moved, franzCrashCount/4, franzCrashCount/2, franzCrashCount*3/4)
	}()
	seen, err := franzRead(ctx, target, franzCrashCount, append(options(), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	crashed := <-ended
	stop()
	<-finished
	got, wanted := make([]string, len(seen)), make([]string, franzCrashCount)
	for i, record := range seen {
		got[i] = string(record.Value)
	}
	for i := range wanted {
		wanted[i] = strconv.Itoa(i * 2)
	}
	return errors.Join(err, crashed, sameValues(got, wanted))
}

// franzCrashAt kills the broker each time that so many records have moved, while transactions are under way.
func franzCrashAt(ctx context.Context, moved *atomic.Int64, counts ...int64) error {
	for _, count := range counts {
		for moved.Load() < count {
			select {
			case <-ctx.Done():
				return fmt.Errorf("only %d records moved", moved.Load())
			case <-time.After(time.Millisecond):
			}
		}
		crash()
	}
	return nil
}

func franzCrashShare(ctx context.Context) error {
	options := func() []kgo.Opt { return franzSASL("SASL_SSL", franzScram256(secured.User)) }
	topic, err := franzTopicOf(ctx, options())
	group := franzShareGroup(ctx, franzSASL("SASL_SSL", franzPlain(secured.Admin))...)
	if err = errors.Join(err, franzFill(ctx, topic, options())); err != nil {
		return err
	}
	client := franzClient(append(options(), kgo.ShareGroup(group), kgo.ConsumeTopics(topic), kgo.ShareMaxRecords(100))...)
	defer client.Close()
	accepted, crashes := map[string]bool{}, []int{franzCrashCount / 3, franzCrashCount * 2 / 3}
	for len(accepted) < franzCrashCount {
		short, cancel := context.WithTimeout(ctx, time.Second)
		records := client.PollRecords(short, 100).Records()
		cancel()
		for _, record := range records {
			accepted[string(record.Value)] = true
		}
		client.MarkAcks(kgo.AckAccept, records...)
		if len(crashes) > 0 && len(accepted) >= crashes[0] {
			crashes = crashes[1:]
			crash()
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%d records of %d", len(accepted), franzCrashCount)
		}
	}
	return nil
}

func franzCrashCases() []testCase {
	return []testCase{{"crash", onSecured(franzCrash)}, {"crash-share", onSecured(franzCrashShare)}}
}
