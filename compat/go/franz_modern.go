package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Transactions, the consumer protocol of KIP-848, share groups.

// franzConnects counts the connections that ended.
type franzConnects struct{ disconnects int }

func (hook *franzConnects) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) { hook.disconnects++ }

func franzTransactional(id string, options ...kgo.Opt) *kgo.Client {
	return franzClient(append([]kgo.Opt{kgo.TransactionalID(id)}, options...)...)
}

func franzIn(ctx context.Context, client *kgo.Client, end kgo.TransactionEndTry, records []*kgo.Record) error {
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	return client.EndTransaction(ctx, end)
}

func franzCommitted(ctx context.Context, topic string, wanted ...string) error {
	got, err := franzRead(ctx, topic, len(wanted), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	var all []string
	for _, record := range got {
		all = append(all, string(record.Value))
	}
	return errors.Join(err, equal(fmt.Sprint(all), fmt.Sprint(wanted)))
}

func franzTxnCommit(ctx context.Context) error {
	topic, client := franzTopic(1, nil), franzTransactional(unique("txn"))
	defer client.Close()
	for _, value := range []string{"0", "1", "2"} {
		if err := franzIn(ctx, client, kgo.TryCommit, franzValues(topic, []string{value, value})); err != nil {
			return err
		}
	}
	return franzCommitted(ctx, topic, "0", "0", "1", "1", "2", "2")
}

func franzTxnAbort(ctx context.Context) error {
	topic, client := franzTopic(1, nil), franzTransactional(unique("txn"))
	defer client.Close()
	err := errors.Join(
		franzIn(ctx, client, kgo.TryAbort, franzValues(topic, []string{"aborted"})),
		franzIn(ctx, client, kgo.TryCommit, franzValues(topic, []string{"committed"})))
	got, read := franzRead(ctx, topic, 2)
	return errors.Join(err, read, equal(len(got), 2), franzCommitted(ctx, topic, "committed"))
}

func franzTxnFencing(ctx context.Context) error {
	topic, id := franzTopic(1, nil), unique("txn")
	old, fresh := franzTransactional(id), franzTransactional(id)
	defer old.Close()
	defer fresh.Close()
	if err := old.BeginTransaction(); err != nil {
		return err
	}
	if err := old.ProduceSync(ctx, franzValues(topic, []string{"old"})...).FirstErr(); err != nil {
		return err
	}
	if err := franzIn(ctx, fresh, kgo.TryCommit, franzValues(topic, []string{"new"})); err != nil {
		return err
	}
	fenced := old.EndTransaction(ctx, kgo.TryCommit)
	if !errors.Is(fenced, kerr.InvalidProducerEpoch) && !errors.Is(fenced, kerr.ProducerFenced) {
		return fmt.Errorf("the old one ended with %v", fenced)
	}
	return franzCommitted(ctx, topic, "new")
}

// franzTransform moves all of source to target, twice each number, exactly once; every third batch is aborted first.
func franzTransform(ctx context.Context, source, target, group string, total int, moved *atomic.Int64, options ...kgo.Opt) error {
	session, err := kgo.NewGroupTransactSession(append([]kgo.Opt{kgo.SeedBrokers(address), kgo.TransactionalID(unique("txn")), kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(source), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RequireStableFetchOffsets(), kgo.RebalanceTimeout(10 * time.Second)}, options...)...)
	if err != nil {
		return err
	}
	defer session.Close()
	for round := 1; moved.Load() < int64(total) && ctx.Err() == nil; round++ {
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		records := session.PollRecords(short, 50).Records()
		cancel()
		if len(records) == 0 {
			continue
		}
		if err := session.Begin(); err != nil {
			return err
		}
		for _, record := range records {
			value := must(strconv.Atoi(string(record.Value)))
			session.Produce(ctx, &kgo.Record{Topic: target, Value: []byte(strconv.Itoa(value * 2))}, nil)
		}
		committed, err := session.End(ctx, kgo.TransactionEndTry(round%3 != 0))
		if err != nil {
			return err
		}
		if committed {
			moved.Add(int64(len(records)))
		}
	}
	return nil
}

func franzTxnOffsets(options ...kgo.Opt) func(context.Context) error {
	return func(ctx context.Context) error {
		const total = 1000
		source, target, group := franzTopic(3, nil), franzTopic(1, nil), unique("group")
		var records []*kgo.Record
		var wanted []string
		for i := range total {
			records = append(records, &kgo.Record{Topic: source, Partition: int32(i % 3), Value: []byte(strconv.Itoa(i))})
			wanted = append(wanted, strconv.Itoa(i*2))
		}
		if err := franzSend(ctx, records); err != nil {
			return err
		}
		var moved atomic.Int64
		ended := make(chan error, 2)
		for range 2 {
			go func() { ended <- franzTransform(ctx, source, target, group, total, &moved, options...) }()
			time.Sleep(500 * time.Millisecond) // the second joins while the first works
		}
		if err := errors.Join(<-ended, <-ended); err != nil {
			return err
		}
		got, err := franzRead(ctx, target, total, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
		var all []string
		for _, record := range got {
			all = append(all, string(record.Value))
		}
		return errors.Join(err, sameValues(all, wanted))
	}
}

func franz848() []kgo.Opt {
	return []kgo.Opt{kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer())}
}

func franzConsumerProtocol(ctx context.Context) error {
	topic, group := franzTopic(4, nil), unique("group")
	one := franzJoin(ctx, group, topic, kgo.RangeBalancer(), kgo.ServerSideBalancer())
	two := one
	told := func() string { return fmt.Sprint(one.assigned.Load(), " and ", two.assigned.Load()) }
	if err := until(ctx, told, func() bool { return one.assigned.Load() == 4 }); err != nil {
		return err
	}
	two = franzJoin(ctx, group, topic, kgo.RangeBalancer(), kgo.ServerSideBalancer())
	defer two.client.Close()
	if err := until(ctx, told, func() bool { return one.assigned.Load() == 2 && two.assigned.Load() == 2 }); err != nil {
		return err
	}
	described, err := franzAdmin().DescribeConsumerGroups(ctx, group)
	if err = errors.Join(err, equal(described[group].State, "Stable"), equal(len(described[group].Members), 2)); err != nil {
		return err
	}
	one.client.Close()
	return until(ctx, told, func() bool { return two.assigned.Load() == 4 })
}

func franzConsumerProtocolRegex(ctx context.Context) error {
	stem, admin := unique("regex"), franzAdmin()
	must(admin.CreateTopic(ctx, 2, 1, nil, stem+"-1"))
	var assigned atomic.Int64
	count := func(sign int64) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
			for _, partitions := range topics {
				assigned.Add(sign * int64(len(partitions)))
			}
		}
	}
	client := franzClient(append(franz848(), kgo.ConsumerGroup(unique("group")), kgo.ConsumeRegex(), kgo.ConsumeTopics("^"+stem+"-.*"),
		kgo.MetadataMaxAge(time.Second), kgo.MetadataMinAge(500*time.Millisecond),
		kgo.OnPartitionsAssigned(count(1)), kgo.OnPartitionsRevoked(count(-1)), kgo.OnPartitionsLost(count(-1)))...)
	defer client.Close()
	go func() {
		for !client.PollFetches(ctx).IsClientClosed() && ctx.Err() == nil {
		}
	}()
	told := func() string { return fmt.Sprint(assigned.Load(), " partitions") }
	if err := until(ctx, told, func() bool { return assigned.Load() == 2 }); err != nil {
		return err
	}
	must(admin.CreateTopic(ctx, 3, 1, nil, stem+"-2"))
	return until(ctx, told, func() bool { return assigned.Load() == 5 })
}

// franzShareGroup is a group that begins with the first record; kadm cannot alter a group's configs.
func franzShareGroup(ctx context.Context, options ...kgo.Opt) string {
	group, earliest := unique("share"), "earliest"
	config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	config.Name, config.Value = "share.auto.offset.reset", &earliest
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	resource.Configs = append(resource.Configs, config)
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	request.Resources = append(request.Resources, resource)
	client := franzClient(options...)
	defer client.Close()
	if err := kerr.ErrorForCode(must(request.RequestWith(ctx, client)).Resources[0].ErrorCode); err != nil {
		panic(err)
	}
	return group
}

func franzShare(ctx context.Context) error {
	topic, group := franzTopic(1, nil), franzShareGroup(ctx)
	options := []kgo.Opt{kgo.ShareGroup(group), kgo.ConsumeTopics(topic), kgo.ShareMaxRecords(20)}
	one, two := franzClient(options...), franzClient(options...)
	defer two.Close()
	defer one.Close()
	values := numbers(200)
	if err := franzSend(ctx, franzValues(topic, values)); err != nil {
		return err
	}
	var all []string
	told := func() string { return fmt.Sprint(len(all), " records of 200") }
	err := until(ctx, told, func() bool {
		for _, client := range []*kgo.Client{one, two} {
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			records := client.PollRecords(short, 20).Records()
			cancel()
			for _, record := range records {
				all = append(all, string(record.Value))
			}
			client.MarkAcks(kgo.AckAccept, records...)
			if err := client.FlushAcks(ctx); err != nil {
				panic(err)
			}
		}
		return len(all) >= 200
	})
	return errors.Join(err, sameValues(all, values))
}

func franzShareExplicit(ctx context.Context) error {
	topic, group := franzTopic(1, nil), franzShareGroup(ctx)
	if err := franzSend(ctx, franzValues(topic, []string{"accept", "release", "reject"})); err != nil {
		return err
	}
	client := franzClient(kgo.ShareGroup(group), kgo.ConsumeTopics(topic))
	defer client.Close()
	var seen []string
	took := func(count int) error {
		return until(ctx, func() string { return fmt.Sprint(seen) }, func() bool {
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			for _, record := range client.PollRecords(short, 10).Records() {
				value := string(record.Value)
				seen = append(seen, fmt.Sprint(value, record.DeliveryCount()))
				status := kgo.AckAccept
				if record.DeliveryCount() == 1 {
					status = map[string]kgo.AckStatus{"accept": kgo.AckAccept, "release": kgo.AckRelease, "reject": kgo.AckReject}[value]
				}
				record.Ack(status)
			}
			if err := client.FlushAcks(ctx); err != nil {
				panic(err)
			}
			return len(seen) >= count
		})
	}
	return errors.Join(took(4), equal(fmt.Sprint(seen), "[accept1 release1 reject1 release2]"))
}

func franzModernCases() []testCase {
	return []testCase{
		{"txn-commit", franzTxnCommit},
		{"txn-abort", franzTxnAbort},
		{"txn-fencing", franzTxnFencing},
		{"txn-offsets", franzTxnOffsets()},
		{"txn-offsets-848", franzTxnOffsets(franz848()...)},
		{"consumer-protocol", franzConsumerProtocol},
		{"consumer-protocol-regex", franzConsumerProtocolRegex},
		{"consumer-protocol-commit", func(ctx context.Context) error { return franzCommitWith(ctx, franz848()...) }},
		{"share-group", franzShare},
		{"share-group-explicit", franzShareExplicit},
	}
}
