package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func franzClient(options ...kgo.Opt) *kgo.Client {
	return must(kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner())}, options...)...))
}

// franzAdmin's client lives as long as the process.
func franzAdmin() *kadm.Client { return kadm.NewClient(franzClient()) }

func franzTopic(partitions int32, configs map[string]*string) string {
	topic := unique("topic")
	must(franzAdmin().CreateTopic(context.Background(), partitions, 1, configs, topic))
	return topic
}

func franzSend(ctx context.Context, records []*kgo.Record, options ...kgo.Opt) error {
	client := franzClient(options...)
	defer client.Close()
	return client.ProduceSync(ctx, records...).FirstErr()
}

func franzValues(topic string, values []string) []*kgo.Record {
	records := make([]*kgo.Record, len(values))
	for i, value := range values {
		records[i] = &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(value)}
	}
	return records
}

func franzPoll(ctx context.Context, client *kgo.Client, count int) ([]*kgo.Record, error) {
	var got []*kgo.Record
	for len(got) < count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("after %d records of %d: %w", len(got), count, err)
		}
		got = append(got, fetches.Records()...)
	}
	return got, nil
}

func franzRead(ctx context.Context, topic string, count int, options ...kgo.Opt) ([]*kgo.Record, error) {
	client := franzClient(append([]kgo.Opt{kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}, options...)...)
	defer client.Close()
	return franzPoll(ctx, client, count)
}

func franzCases() []testCase {
	return []testCase{
		{"roundtrip", franzRoundTrip(kgo.NoCompression())},
		{"gzip", franzRoundTrip(kgo.GzipCompression())},
		{"snappy", franzRoundTrip(kgo.SnappyCompression())},
		{"lz4", franzRoundTrip(kgo.Lz4Compression())},
		{"zstd", franzRoundTrip(kgo.ZstdCompression())},
		{"headers", franzHeaders},
		{"big-record", franzBig},
		{"too-big-record", franzTooBig},
		{"idempotent", franzIdempotent},
		{"group-rebalance", franzRebalance(kgo.RangeBalancer())},
		{"cooperative-rebalance", franzRebalance(kgo.CooperativeStickyBalancer())},
		{"commit-resume", franzCommit},
		{"seek", franzSeek},
		{"time-lookup", franzTimes},
		{"admin-topics", franzAdminTopics},
		{"admin-configs", franzAdminConfigs},
		{"admin-delete-records", franzDeleteRecords},
		{"admin-groups", franzAdminGroups},
		{"admin-log-dirs", franzLogDirs},
	}
}

func franzSame(ctx context.Context, topic string, values []string) error {
	got, err := franzRead(ctx, topic, len(values))
	var all []string
	for _, record := range got {
		all = append(all, string(record.Value))
	}
	return errors.Join(err, sameValues(all, values))
}

func franzRoundTrip(codec kgo.CompressionCodec) func(context.Context) error {
	return func(ctx context.Context) error {
		topic, values := franzTopic(1, nil), numbers(300)
		if err := franzSend(ctx, franzValues(topic, values), kgo.ProducerBatchCompression(codec)); err != nil {
			return err
		}
		return franzSame(ctx, topic, values)
	}
}

func franzHeaders(ctx context.Context) error {
	topic := franzTopic(1, nil)
	headers := []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}}
	if err := franzSend(ctx, []*kgo.Record{{Topic: topic, Headers: headers}}); err != nil {
		return err
	}
	got, err := franzRead(ctx, topic, 1)
	if err != nil {
		return err
	}
	return errors.Join(equal(fmt.Sprint(got[0].Headers), fmt.Sprint(headers)), equal(got[0].Key == nil && got[0].Value == nil, true))
}

func franzBig(ctx context.Context) error {
	topic, value := franzTopic(1, limited()), strings.Repeat("x", 499_000)
	if err := franzSend(ctx, franzValues(topic, []string{value}), kgo.ProducerBatchCompression(kgo.NoCompression())); err != nil {
		return err
	}
	return franzSame(ctx, topic, []string{value})
}

func franzTooBig(ctx context.Context) error {
	records := franzValues(franzTopic(1, limited()), []string{strings.Repeat("x", 501_000)})
	err := franzSend(ctx, records, kgo.ProducerBatchCompression(kgo.NoCompression()))
	if errors.Is(err, kerr.MessageTooLarge) {
		return nil
	}
	return fmt.Errorf("got %v, not MESSAGE_TOO_LARGE", err)
}

func franzIdempotent(ctx context.Context) error {
	topic := franzTopic(1, nil)
	client := franzClient(kgo.ProducerBatchMaxBytes(1024))
	defer client.Close()
	results := client.ProduceSync(ctx, franzValues(topic, numbers(500))...)
	for i, result := range results {
		if err := errors.Join(result.Err, equal(result.Record.Offset, int64(i))); err != nil {
			return err
		}
	}
	return nil
}

type franzMember struct {
	client   *kgo.Client
	assigned atomic.Int64
}

func franzJoin(ctx context.Context, group, topic string, balancer kgo.GroupBalancer, options ...kgo.Opt) *franzMember {
	member := &franzMember{}
	count := func(sign int64) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			member.assigned.Add(sign * int64(len(partitions[topic])))
		}
	}
	member.client = franzClient(append(options, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.Balancers(balancer), kgo.HeartbeatInterval(300*time.Millisecond),
		kgo.OnPartitionsAssigned(count(1)), kgo.OnPartitionsRevoked(count(-1)), kgo.OnPartitionsLost(count(-1)))...)
	go func() {
		for !member.client.PollFetches(ctx).IsClientClosed() && ctx.Err() == nil {
		}
	}()
	return member
}

func franzRebalance(balancer kgo.GroupBalancer) func(context.Context) error {
	return func(ctx context.Context) error {
		topic, group := franzTopic(4, nil), unique("group")
		one := franzJoin(ctx, group, topic, balancer)
		two := one
		told := func() string { return fmt.Sprint(one.assigned.Load(), " and ", two.assigned.Load()) }
		if err := until(ctx, told, func() bool { return one.assigned.Load() == 4 }); err != nil {
			return err
		}
		two = franzJoin(ctx, group, topic, balancer)
		defer two.client.Close()
		if err := until(ctx, told, func() bool { return one.assigned.Load() == 2 && two.assigned.Load() == 2 }); err != nil {
			return err
		}
		one.client.Close()
		return until(ctx, told, func() bool { return two.assigned.Load() == 4 })
	}
}

func franzCommit(ctx context.Context) error { return franzCommitWith(ctx) }

func franzCommitWith(ctx context.Context, more ...kgo.Opt) error {
	topic, group := franzTopic(1, nil), unique("group")
	if err := franzSend(ctx, franzValues(topic, numbers(10))); err != nil {
		return err
	}
	options := []kgo.Opt{kgo.ConsumerGroup(group), kgo.DisableAutoCommit(), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
	options = append(options, more...)
	first := franzClient(options...)
	got, err := franzPoll(ctx, first, 10)
	if err != nil {
		return err
	}
	err = first.CommitRecords(ctx, got[5])
	first.Close()
	if err != nil {
		return err
	}
	second := franzClient(options...)
	defer second.Close()
	if got, err = franzPoll(ctx, second, 4); err != nil {
		return err
	}
	return equal(got[0].Offset, 6)
}

func franzSeek(ctx context.Context) error {
	topic := franzTopic(1, nil)
	if err := franzSend(ctx, franzValues(topic, numbers(10))); err != nil {
		return err
	}
	at := map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(8)}}
	client := franzClient(kgo.ConsumePartitions(at))
	defer client.Close()
	got, err := franzPoll(ctx, client, 2)
	if err != nil {
		return err
	}
	return equal(got[0].Offset, 8)
}

func franzTimes(ctx context.Context) error {
	topic := franzTopic(1, nil)
	records := franzValues(topic, numbers(10))
	for i, record := range records {
		record.Timestamp = hourAgo.Add(time.Duration(i*10) * time.Millisecond)
	}
	if err := franzSend(ctx, records); err != nil {
		return err
	}
	admin := franzAdmin()
	at := func(offsets kadm.ListedOffsets, err error) int64 {
		offset, _ := must(offsets, err).Lookup(topic, 0)
		return offset.Offset
	}
	return errors.Join(
		equal(at(admin.ListStartOffsets(ctx, topic)), 0),
		equal(at(admin.ListEndOffsets(ctx, topic)), 10),
		equal(at(admin.ListMaxTimestampOffsets(ctx, topic)), 9),
		equal(at(admin.ListOffsetsAfterMilli(ctx, hourAgo.UnixMilli()+45, topic)), 5))
}

func franzAdminTopics(ctx context.Context) error {
	topic, admin := franzTopic(2, nil), franzAdmin()
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, topic); !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("got %v, not TOPIC_ALREADY_EXISTS", err)
	}
	if err := must(admin.UpdatePartitions(ctx, 4, topic)).Error(); err != nil {
		return err
	}
	partitions := func() int { return len(must(admin.ListTopics(ctx))[topic].Partitions) }
	if err := until(ctx, func() string { return "four partitions" }, func() bool { return partitions() == 4 }); err != nil {
		return err
	}
	if err := must(admin.DeleteTopics(ctx, topic)).Error(); err != nil {
		return err
	}
	return until(ctx, func() string { return "it is gone" }, func() bool { return partitions() == 0 })
}

func franzAdminConfigs(ctx context.Context) error {
	topic, admin, value := franzTopic(1, nil), franzAdmin(), "1234567"
	altered := must(admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}, topic))
	if err := altered[0].Err; err != nil {
		return err
	}
	return until(ctx, func() string { return "it is set" }, func() bool {
		for _, config := range must(admin.DescribeTopicConfigs(ctx, topic))[0].Configs {
			if config.Key == "retention.ms" {
				return config.MaybeValue() == value
			}
		}
		return false
	})
}

func franzDeleteRecords(ctx context.Context) error {
	topic, admin := franzTopic(1, nil), franzAdmin()
	if err := franzSend(ctx, franzValues(topic, numbers(10))); err != nil {
		return err
	}
	var offsets kadm.Offsets
	offsets.AddOffset(topic, 0, 4, -1)
	if err := must(admin.DeleteRecords(ctx, offsets)).Error(); err != nil {
		return err
	}
	got, err := franzRead(ctx, topic, 6)
	if err != nil {
		return err
	}
	return equal(got[0].Offset, 4)
}

func franzAdminGroups(ctx context.Context) error {
	topic, group, admin := franzTopic(2, nil), unique("group"), franzAdmin()
	member := franzJoin(ctx, group, topic, kgo.RangeBalancer())
	state := func() string { return must(admin.DescribeGroups(ctx, group))[group].State }
	if err := until(ctx, state, func() bool { return state() == "Stable" }); err != nil {
		return err
	}
	listed := func() bool {
		return must(admin.ListGroups(ctx)).Groups() != nil && strings.Contains(fmt.Sprint(must(admin.ListGroups(ctx)).Groups()), group)
	}
	_, refused := admin.DeleteGroup(ctx, group)
	err := errors.Join(equal(listed(), true), equal(errors.Is(refused, kerr.NonEmptyGroup), true))
	member.client.Close()
	if err = errors.Join(err, until(ctx, state, func() bool { return state() == "Empty" })); err != nil {
		return err
	}
	var offsets kadm.Offsets
	offsets.AddOffset(topic, 0, 7, -1)
	err = admin.CommitAllOffsets(ctx, group, offsets)
	fetched, _ := must(admin.FetchOffsets(ctx, group)).Lookup(topic, 0)
	_, deleted := admin.DeleteGroup(ctx, group)
	return errors.Join(err, equal(fetched.At, 7), deleted, equal(listed(), false))
}

func franzLogDirs(ctx context.Context) error {
	topic := franzTopic(1, nil)
	if err := franzSend(ctx, franzValues(topic, numbers(10))); err != nil {
		return err
	}
	var size int64
	must(franzAdmin().DescribeAllLogDirs(ctx, nil)).Each(func(directory kadm.DescribedLogDir) { size += directory.Topics[topic][0].Size })
	return equal(size > 0, true)
}
