package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.MaxMessageBytes = 2_000_000
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	return config
}

func saramaTopic(partitions int32, configs map[string]*string) string {
	topic := unique("topic")
	admin := must(sarama.NewClusterAdmin([]string{address}, saramaConfig()))
	defer admin.Close()
	detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: configs}
	if err := admin.CreateTopic(topic, detail, false); err != nil {
		panic(err)
	}
	return topic
}

func saramaSend(config *sarama.Config, messages ...*sarama.ProducerMessage) error {
	producer := must(sarama.NewSyncProducer([]string{address}, config))
	defer producer.Close()
	return producer.SendMessages(messages)
}

func saramaValues(topic string, values []string) []*sarama.ProducerMessage {
	messages := make([]*sarama.ProducerMessage, len(values))
	for i, value := range values {
		messages[i] = &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder("k"), Value: sarama.StringEncoder(value)}
	}
	return messages
}

func saramaRead(ctx context.Context, topic string, offset int64, count int) ([]*sarama.ConsumerMessage, error) {
	consumer := must(sarama.NewConsumer([]string{address}, saramaConfig()))
	defer consumer.Close()
	partition := must(consumer.ConsumePartition(topic, 0, offset))
	defer partition.Close()
	var got []*sarama.ConsumerMessage
	for len(got) < count {
		select {
		case message := <-partition.Messages():
			got = append(got, message)
		case <-ctx.Done():
			return nil, fmt.Errorf("got %d records of %d", len(got), count)
		}
	}
	return got, nil
}

func saramaCases() []testCase {
	return []testCase{
		{"roundtrip", saramaRoundTrip(sarama.CompressionNone)},
		{"gzip", saramaRoundTrip(sarama.CompressionGZIP)},
		{"snappy", saramaRoundTrip(sarama.CompressionSnappy)},
		{"lz4", saramaRoundTrip(sarama.CompressionLZ4)},
		{"zstd", saramaRoundTrip(sarama.CompressionZSTD)},
		{"headers", saramaHeaders},
		{"big-record", saramaBig},
		{"too-big-record", saramaTooBig},
		{"idempotent", saramaIdempotent},
		{"group-rebalance", saramaRebalance},
		{"commit-resume", saramaCommit},
		{"seek", saramaSeek},
		{"time-lookup", saramaTimes},
		{"admin-topics", saramaAdminTopics},
		{"admin-configs", saramaAdminConfigs},
		{"admin-delete-records", saramaDeleteRecords},
		{"admin-groups", saramaAdminGroups},
		{"old-protocol", saramaOld},
	}
}

func saramaRoundTrip(codec sarama.CompressionCodec) func(context.Context) error {
	return func(ctx context.Context) error {
		topic, values, config := saramaTopic(1, nil), numbers(300), saramaConfig()
		config.Producer.Compression = codec
		if err := saramaSend(config, saramaValues(topic, values)...); err != nil {
			return err
		}
		return saramaSame(ctx, topic, values)
	}
}

func saramaSame(ctx context.Context, topic string, values []string) error {
	got, err := saramaRead(ctx, topic, sarama.OffsetOldest, len(values))
	var all []string
	for _, message := range got {
		all = append(all, string(message.Value))
	}
	return errors.Join(err, sameValues(all, values))
}

func saramaHeaders(ctx context.Context) error {
	topic := saramaTopic(1, nil)
	headers := []sarama.RecordHeader{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("a"), Value: []byte("2")}}
	if err := saramaSend(saramaConfig(), &sarama.ProducerMessage{Topic: topic, Headers: headers}); err != nil {
		return err
	}
	got, err := saramaRead(ctx, topic, sarama.OffsetOldest, 1)
	if err != nil {
		return err
	}
	var all []string
	for _, header := range got[0].Headers {
		all = append(all, string(header.Key)+string(header.Value))
	}
	return errors.Join(equal(strings.Join(all, " "), "a1 a2"), equal(got[0].Key == nil && got[0].Value == nil, true))
}

func limited() map[string]*string {
	limit := "500000"
	return map[string]*string{"max.message.bytes": &limit}
}

func saramaBig(ctx context.Context) error {
	topic, value := saramaTopic(1, limited()), strings.Repeat("x", 499_000)
	if err := saramaSend(saramaConfig(), saramaValues(topic, []string{value})...); err != nil {
		return err
	}
	return saramaSame(ctx, topic, []string{value})
}

func saramaTooBig(context.Context) error {
	err := saramaSend(saramaConfig(), saramaValues(saramaTopic(1, limited()), []string{strings.Repeat("x", 501_000)})...)
	var failed sarama.ProducerErrors
	if errors.As(err, &failed) && errors.Is(failed[0].Err, sarama.ErrMessageSizeTooLarge) {
		return nil
	}
	return fmt.Errorf("got %v, not MESSAGE_TOO_LARGE", err)
}

func saramaIdempotent(ctx context.Context) error {
	topic, config := saramaTopic(1, nil), saramaConfig()
	config.Producer.Idempotent, config.Net.MaxOpenRequests = true, 1
	producer := must(sarama.NewSyncProducer([]string{address}, config))
	defer producer.Close()
	for i := range int64(50) {
		_, offset, err := producer.SendMessage(saramaValues(topic, []string{"v"})[0])
		if err = errors.Join(err, equal(offset, i)); err != nil {
			return err
		}
	}
	return nil
}

type saramaMember struct {
	sync.Mutex
	assigned []int32
	got      int
	first    int64
	mark     int64
}

func (m *saramaMember) Setup(session sarama.ConsumerGroupSession) error {
	m.Lock()
	defer m.Unlock()
	m.assigned = nil
	for _, partitions := range session.Claims() {
		m.assigned = append(m.assigned, partitions...)
	}
	return nil
}
func (m *saramaMember) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (m *saramaMember) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		m.Lock()
		if m.got == 0 {
			m.first = message.Offset
		}
		m.got++
		m.Unlock()
		if m.mark > 0 && message.Offset == m.mark-1 {
			session.MarkMessage(message, "")
			session.Commit()
		}
	}
	return nil
}
func (m *saramaMember) state() (assigned, got int) {
	m.Lock()
	defer m.Unlock()
	return len(m.assigned), m.got
}

// join runs the member until the returned function is called.
func (m *saramaMember) join(group, topic string) (leave func()) {
	config := saramaConfig()
	config.Consumer.Offsets.AutoCommit.Enable = false
	consumer := must(sarama.NewConsumerGroup([]string{address}, group, config))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = consumer.Consume(ctx, []string{topic}, m)
		}
	}()
	return func() { cancel(); <-done; consumer.Close() }
}

func saramaRebalance(ctx context.Context) error {
	topic, group := saramaTopic(4, nil), unique("group")
	one, two := &saramaMember{}, &saramaMember{}
	has := func(m *saramaMember, wanted int) bool { n, _ := m.state(); return n == wanted }
	told := func() string { return fmt.Sprint(one.assigned, two.assigned) }
	leaveOne := one.join(group, topic)
	if err := until(ctx, told, func() bool { return has(one, 4) }); err != nil {
		return err
	}
	leaveTwo := two.join(group, topic)
	if err := until(ctx, told, func() bool { return has(one, 2) && has(two, 2) }); err != nil {
		return err
	}
	leaveOne()
	err := until(ctx, told, func() bool { return has(two, 4) })
	leaveTwo()
	return err
}

func saramaCommit(ctx context.Context) error {
	topic, group := saramaTopic(1, nil), unique("group")
	if err := saramaSend(saramaConfig(), saramaValues(topic, numbers(10))...); err != nil {
		return err
	}
	read := func(member *saramaMember, wanted int) error {
		leave := member.join(group, topic)
		defer leave()
		return until(ctx, func() string { return fmt.Sprint(wanted, " records, got ", member.got) }, func() bool { _, got := member.state(); return got == wanted })
	}
	again := &saramaMember{}
	if err := errors.Join(read(&saramaMember{mark: 6}, 10), read(again, 4)); err != nil {
		return err
	}
	return equal(again.first, 6)
}

func saramaSeek(ctx context.Context) error {
	topic := saramaTopic(1, nil)
	if err := saramaSend(saramaConfig(), saramaValues(topic, numbers(10))...); err != nil {
		return err
	}
	got, err := saramaRead(ctx, topic, 8, 2)
	if err != nil {
		return err
	}
	return equal(got[0].Offset, 8)
}

func saramaTimes(context.Context) error {
	topic := saramaTopic(1, nil)
	messages := saramaValues(topic, numbers(10))
	for i, message := range messages {
		message.Timestamp = hourAgo.Add(time.Duration(i*10) * time.Millisecond)
	}
	if err := saramaSend(saramaConfig(), messages...); err != nil {
		return err
	}
	client := must(sarama.NewClient([]string{address}, saramaConfig()))
	defer client.Close()
	return errors.Join(
		equal(must(client.GetOffset(topic, 0, sarama.OffsetOldest)), 0),
		equal(must(client.GetOffset(topic, 0, sarama.OffsetNewest)), 10),
		equal(must(client.GetOffset(topic, 0, hourAgo.UnixMilli()+45)), 5))
}

func saramaAdmin() sarama.ClusterAdmin {
	return must(sarama.NewClusterAdmin([]string{address}, saramaConfig()))
}

func saramaAdminTopics(ctx context.Context) error {
	topic, admin := saramaTopic(2, nil), saramaAdmin()
	defer admin.Close()
	err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false)
	if !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return fmt.Errorf("got %v, not TOPIC_ALREADY_EXISTS", err)
	}
	if err := admin.CreatePartitions(topic, 4, nil, false); err != nil {
		return err
	}
	listed := func() sarama.TopicDetail { return must(admin.ListTopics())[topic] }
	if err := until(ctx, func() string { return "four partitions" }, func() bool { return listed().NumPartitions == 4 }); err != nil {
		return err
	}
	if err := admin.DeleteTopic(topic); err != nil {
		return err
	}
	return until(ctx, func() string { return "it is gone" }, func() bool { return listed().NumPartitions == 0 })
}

func saramaAdminConfigs(ctx context.Context) error {
	topic, admin, value := saramaTopic(1, nil), saramaAdmin(), "1234567"
	defer admin.Close()
	change := map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}
	if err := admin.IncrementalAlterConfig(sarama.TopicResource, topic, change, false); err != nil {
		return err
	}
	return until(ctx, func() string { return "it is set" }, func() bool {
		entries := must(admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"retention.ms"}}))
		return len(entries) == 1 && entries[0].Value == value
	})
}

func saramaDeleteRecords(ctx context.Context) error {
	topic, admin := saramaTopic(1, nil), saramaAdmin()
	defer admin.Close()
	if err := errors.Join(saramaSend(saramaConfig(), saramaValues(topic, numbers(10))...), admin.DeleteRecords(topic, map[int32]int64{0: 4})); err != nil {
		return err
	}
	got, err := saramaRead(ctx, topic, sarama.OffsetOldest, 6)
	if err != nil {
		return err
	}
	return equal(got[0].Offset, 4)
}

func saramaAdminGroups(ctx context.Context) error {
	topic, group, admin := saramaTopic(2, nil), unique("group"), saramaAdmin()
	defer admin.Close()
	member := &saramaMember{}
	leave := member.join(group, topic)
	state := func() string { return must(admin.DescribeConsumerGroups([]string{group}))[0].State }
	if err := until(ctx, state, func() bool { return state() == "Stable" }); err != nil {
		return err
	}
	listed := func() bool { _, is := must(admin.ListConsumerGroups())[group]; return is }
	err := errors.Join(equal(listed(), true), equal(admin.DeleteConsumerGroup(group) != nil, true))
	leave()
	err = errors.Join(err, until(ctx, state, func() bool { return state() == "Empty" }), admin.DeleteConsumerGroup(group))
	return errors.Join(err, equal(listed(), false))
}

// saramaOld speaks as a client of 2015 does, which Apache Kafka 4 no longer understands.
func saramaOld(ctx context.Context) error {
	topic, values, config := saramaTopic(1, nil), numbers(20), saramaConfig()
	config.Version, config.ApiVersionsRequest = sarama.V0_9_0_1, false
	config.Producer.Compression = sarama.CompressionSnappy
	if err := saramaSend(config, saramaValues(topic, values)...); err != nil {
		return err
	}
	consumer := must(sarama.NewConsumer([]string{address}, config))
	defer consumer.Close()
	partition := must(consumer.ConsumePartition(topic, 0, sarama.OffsetOldest))
	defer partition.Close()
	var got []string
	for len(got) < len(values) {
		select {
		case message := <-partition.Messages():
			got = append(got, string(message.Value))
		case <-ctx.Done():
			return fmt.Errorf("got %d records of %d", len(got), len(values))
		}
	}
	return equal(slices.Equal(got, values), true)
}
