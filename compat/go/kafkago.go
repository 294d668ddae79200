package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	kafka "github.com/segmentio/kafka-go"
)

func kafkaGoClient() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(address), Timeout: 20 * time.Second}
}

func kafkaGoTopic(partitions int, configs ...kafka.ConfigEntry) string {
	topic := unique("topic")
	request := kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: configs}
	answer := must(kafkaGoClient().CreateTopics(context.Background(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{request}}))
	if err := answer.Errors[topic]; err != nil {
		panic(err)
	}
	return topic
}

func kafkaGoSend(ctx context.Context, topic string, codec kafka.Compression, messages ...kafka.Message) error {
	writer := &kafka.Writer{Addr: kafka.TCP(address), Topic: topic, RequiredAcks: kafka.RequireAll, Compression: codec, BatchTimeout: 5 * time.Millisecond, BatchBytes: 2_000_000, Transport: &kafka.Transport{}}
	defer writer.Close()
	return writer.WriteMessages(ctx, messages...)
}

func kafkaGoValues(values []string) []kafka.Message {
	messages := make([]kafka.Message, len(values))
	for i, value := range values {
		messages[i] = kafka.Message{Key: []byte("k"), Value: []byte(value)}
	}
	return messages
}

func kafkaGoReader(config kafka.ReaderConfig) *kafka.Reader {
	config.Brokers, config.MaxWait, config.StartOffset = []string{address}, 200*time.Millisecond, kafka.FirstOffset
	config.HeartbeatInterval, config.SessionTimeout, config.RebalanceTimeout = 300*time.Millisecond, 10*time.Second, 10*time.Second
	return kafka.NewReader(config)
}

func kafkaGoRead(ctx context.Context, reader *kafka.Reader, count int) ([]kafka.Message, error) {
	var got []kafka.Message
	for len(got) < count {
		message, err := reader.FetchMessage(ctx)
		if err != nil {
			return nil, fmt.Errorf("after %d records of %d: %w", len(got), count, err)
		}
		got = append(got, message)
	}
	return got, nil
}

func kafkaGoReadTopic(ctx context.Context, topic string, count int) ([]kafka.Message, error) {
	reader := kafkaGoReader(kafka.ReaderConfig{Topic: topic, Partition: 0})
	defer reader.Close()
	return kafkaGoRead(ctx, reader, count)
}

func kafkaGoCases() []testCase {
	return []testCase{
		{"roundtrip", kafkaGoRoundTrip(0)},
		{"gzip", kafkaGoRoundTrip(kafka.Gzip)},
		{"snappy", kafkaGoRoundTrip(kafka.Snappy)},
		{"lz4", kafkaGoRoundTrip(kafka.Lz4)},
		{"zstd", kafkaGoRoundTrip(kafka.Zstd)},
		{"headers", kafkaGoHeaders},
		{"big-record", kafkaGoBig},
		{"too-big-record", kafkaGoTooBig},
		{"group-rebalance", kafkaGoRebalance},
		{"commit-resume", kafkaGoCommit},
		{"seek", kafkaGoSeek},
		{"time-lookup", kafkaGoTimes},
		{"admin-topics", kafkaGoAdminTopics},
		{"admin-configs", kafkaGoAdminConfigs},
		{"admin-groups", kafkaGoAdminGroups},
		{"plain-connection", kafkaGoConnection},
	}
}

func kafkaGoSame(ctx context.Context, topic string, values []string) error {
	got, err := kafkaGoReadTopic(ctx, topic, len(values))
	var all []string
	for _, message := range got {
		all = append(all, string(message.Value))
	}
	return errors.Join(err, sameValues(all, values))
}

func kafkaGoRoundTrip(codec kafka.Compression) func(context.Context) error {
	return func(ctx context.Context) error {
		topic, values := kafkaGoTopic(1), numbers(300)
		if err := kafkaGoSend(ctx, topic, codec, kafkaGoValues(values)...); err != nil {
			return err
		}
		return kafkaGoSame(ctx, topic, values)
	}
}

func kafkaGoHeaders(ctx context.Context) error {
	topic := kafkaGoTopic(1)
	message := kafka.Message{Value: []byte("v"), Headers: []kafka.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte("2")}}}
	if err := kafkaGoSend(ctx, topic, 0, message); err != nil {
		return err
	}
	got, err := kafkaGoReadTopic(ctx, topic, 1)
	if err != nil {
		return err
	}
	return equal(fmt.Sprint(got[0].Headers), fmt.Sprint(message.Headers))
}

func kafkaGoBig(ctx context.Context) error {
	topic, value := kafkaGoTopic(1, kafka.ConfigEntry{ConfigName: "max.message.bytes", ConfigValue: "500000"}), strings.Repeat("x", 499_000)
	if err := kafkaGoSend(ctx, topic, 0, kafkaGoValues([]string{value})...); err != nil {
		return err
	}
	return kafkaGoSame(ctx, topic, []string{value})
}

func kafkaGoTooBig(ctx context.Context) error {
	topic := kafkaGoTopic(1, kafka.ConfigEntry{ConfigName: "max.message.bytes", ConfigValue: "500000"})
	err := kafkaGoSend(ctx, topic, 0, kafkaGoValues([]string{strings.Repeat("x", 501_000)})...)
	var all kafka.WriteErrors
	if errors.Is(err, kafka.MessageSizeTooLarge) || errors.As(err, &all) && errors.Is(all[0], kafka.MessageSizeTooLarge) {
		return nil
	}
	return fmt.Errorf("got %v, not MESSAGE_TOO_LARGE", err)
}

func kafkaGoRebalance(ctx context.Context) error {
	topic, group := kafkaGoTopic(4), unique("group")
	client := kafkaGoClient()
	shares := func() string {
		answer := must(client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}}))
		var sizes []string
		for _, member := range answer.Groups[0].Members {
			n := 0
			for _, each := range member.MemberAssignments.Topics {
				n += len(each.Partitions)
			}
			sizes = append(sizes, fmt.Sprint(n))
		}
		return answer.Groups[0].GroupState + " " + strings.Join(sizes, " ")
	}
	one := kafkaGoReader(kafka.ReaderConfig{GroupID: group, Topic: topic})
	if err := until(ctx, shares, func() bool { return shares() == "Stable 4" }); err != nil {
		return err
	}
	two := kafkaGoReader(kafka.ReaderConfig{GroupID: group, Topic: topic})
	defer two.Close()
	if err := until(ctx, shares, func() bool { return shares() == "Stable 2 2" }); err != nil {
		return err
	}
	if err := one.Close(); err != nil {
		return err
	}
	return until(ctx, shares, func() bool { return shares() == "Stable 4" })
}

func kafkaGoCommit(ctx context.Context) error {
	topic, group := kafkaGoTopic(1), unique("group")
	if err := kafkaGoSend(ctx, topic, 0, kafkaGoValues(numbers(10))...); err != nil {
		return err
	}
	first := kafkaGoReader(kafka.ReaderConfig{GroupID: group, Topic: topic})
	got, err := kafkaGoRead(ctx, first, 6)
	if err != nil {
		return err
	}
	if err := errors.Join(first.CommitMessages(ctx, got[5]), first.Close()); err != nil {
		return err
	}
	second := kafkaGoReader(kafka.ReaderConfig{GroupID: group, Topic: topic})
	defer second.Close()
	if got, err = kafkaGoRead(ctx, second, 4); err != nil {
		return err
	}
	return equal(got[0].Offset, 6)
}

func kafkaGoSeek(ctx context.Context) error {
	topic := kafkaGoTopic(1)
	if err := kafkaGoSend(ctx, topic, 0, kafkaGoValues(numbers(10))...); err != nil {
		return err
	}
	reader := kafkaGoReader(kafka.ReaderConfig{Topic: topic, Partition: 0})
	defer reader.Close()
	if err := reader.SetOffset(8); err != nil {
		return err
	}
	got, err := kafkaGoRead(ctx, reader, 2)
	if err != nil {
		return err
	}
	return equal(got[0].Offset, 8)
}

func kafkaGoTimes(ctx context.Context) error {
	topic, messages := kafkaGoTopic(1), kafkaGoValues(numbers(10))
	for i := range messages {
		messages[i].Time = hourAgo.Add(time.Duration(i*10) * time.Millisecond)
	}
	if err := kafkaGoSend(ctx, topic, 0, messages...); err != nil {
		return err
	}
	connection := must(kafka.DialLeader(ctx, "tcp", address, topic, 0))
	defer connection.Close()
	first, last, err := connection.ReadOffsets()
	offset, err2 := connection.ReadOffset(hourAgo.Add(45 * time.Millisecond))
	return errors.Join(err, err2, equal(first, 0), equal(last, 10), equal(offset, 5))
}

func kafkaGoAdminTopics(ctx context.Context) error {
	topic, client := kafkaGoTopic(2), kafkaGoClient()
	again := kafka.TopicConfig{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}
	answer := must(client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{again}}))
	if !errors.Is(answer.Errors[topic], kafka.TopicAlreadyExists) {
		return fmt.Errorf("got %v, not TOPIC_ALREADY_EXISTS", answer.Errors[topic])
	}
	more := kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 4}}}
	if err := must(client.CreatePartitions(ctx, &more)).Errors[topic]; err != nil {
		return err
	}
	partitions := func() int {
		return len(must(client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})).Topics[0].Partitions)
	}
	if err := until(ctx, func() string { return "four partitions" }, func() bool { return partitions() == 4 }); err != nil {
		return err
	}
	return must(client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})).Errors[topic]
}

func kafkaGoAdminConfigs(ctx context.Context) error {
	topic, client := kafkaGoTopic(1), kafkaGoClient()
	change := kafka.IncrementalAlterConfigsRequestConfig{Name: "retention.ms", Value: "1234567", ConfigOperation: kafka.ConfigOperationSet}
	resource := kafka.IncrementalAlterConfigsRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, Configs: []kafka.IncrementalAlterConfigsRequestConfig{change}}
	altered := must(client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{resource}}))
	if err := altered.Resources[0].Error; err != nil {
		return err
	}
	asked := kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{"retention.ms"}}
	return until(ctx, func() string { return "it is set" }, func() bool {
		answer := must(client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{asked}}))
		return answer.Resources[0].ConfigEntries[0].ConfigValue == "1234567"
	})
}

func kafkaGoAdminGroups(ctx context.Context) error {
	topic, group, client := kafkaGoTopic(1), unique("group"), kafkaGoClient()
	reader := kafkaGoReader(kafka.ReaderConfig{GroupID: group, Topic: topic})
	listed := func() bool {
		for _, each := range must(client.ListGroups(ctx, &kafka.ListGroupsRequest{})).Groups {
			if each.GroupID == group {
				return true
			}
		}
		return false
	}
	if err := until(ctx, func() string { return "it is listed" }, listed); err != nil {
		return err
	}
	if err := reader.Close(); err != nil {
		return err
	}
	var last error
	err := until(ctx, func() string { return fmt.Sprint("deleted: ", last) }, func() bool {
		last = must(client.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})).Errors[group]
		return last == nil
	})
	return errors.Join(err, equal(listed(), false))
}

// kafkaGoConnection is the lower of kafka-go's two interfaces, with versions of its own.
func kafkaGoConnection(ctx context.Context) error {
	connection := must(kafka.DialContext(ctx, "tcp", address))
	defer connection.Close()
	controller := must(connection.Controller())
	if _, port, _ := net.SplitHostPort(address); fmt.Sprint(controller.Port) != port {
		return fmt.Errorf("the controller is at port %d", controller.Port)
	}
	topic := unique("topic")
	if err := connection.CreateTopics(kafka.TopicConfig{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}); err != nil {
		return err
	}
	leader := must(kafka.DialLeader(ctx, "tcp", address, topic, 0))
	defer leader.Close()
	if _, err := leader.WriteMessages(kafkaGoValues([]string{"one", "two"})...); err != nil {
		return err
	}
	must(leader.Seek(0, kafka.SeekStart))
	batch := leader.ReadBatch(1, 1_000_000)
	message, err := batch.ReadMessage()
	return errors.Join(err, equal(string(message.Value), "one"), batch.Close(), connection.DeleteTopics(topic))
}
