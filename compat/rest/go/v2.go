package main

import (
	"encoding/json"

	"github.com/andy2046/kafka-rest-go/kafka"
)

func v2Cases() []testCase {
	const types = "application/vnd.kafka.json.v2+json"
	client := must(kafka.New(kafka.SetURL(url), kafka.V2Version, kafka.JSONFormat, kafka.EarliestOffset, kafka.SetContentType(types), kafka.SetAccept(types+", application/vnd.kafka.v2+json")))
	plain := must(kafka.New(kafka.SetURL(url), kafka.V2Version, kafka.JSONFormat, kafka.EarliestOffset, kafka.SetContentType("application/vnd.kafka.v2+json"), kafka.SetAccept("application/vnd.kafka.v2+json, application/json")))
	message := func(values ...string) *kafka.ProducerMessage {
		records := []*kafka.ProducerRecord{}
		for _, each := range values {
			records = append(records, &kafka.ProducerRecord{Value: json.RawMessage(each)})
		}
		return &kafka.ProducerMessage{Records: records}
	}
	return []testCase{
		{"metadata", func() {
			equal(len(must(plain.Broker()).Brokers) > 0, true)
			topic := unique("metadata")
			must(client.NewTopics().Produce(topic, message("1")))
			equal(must(plain.NewTopics().Topic(topic)).Name, topic)
			equal(must(plain.NewTopics().NewPartitions().Partition(0, topic)).Partition, 0)
		}},
		{"produce-and-consume", func() {
			topic, group := unique("v2"), unique("group")
			sent := must(client.NewTopics().Produce(topic, message(`{"n":1}`, `{"n":2}`)))
			equal(len(sent.Offsets), 2)
			consumers := plain.NewConsumers()
			instance := must(consumers.NewConsumer(&kafka.ConsumerRequest{Format: kafka.JSON, Offset: kafka.Earliest, AutoCommit: "false", Name: "one"}, group))
			equal(instance.BaseURI, url+"/consumers/"+group+"/instances/one")
			done(consumers.Subscribe(&kafka.TopicSubscription{Topics: &kafka.TopicsSubscription{Topics: []string{topic}}}, false, "one", group))
			equal(must(consumers.Subscriptions("one", group)).Topics, []string{topic})
			values := 0
			until("two records", func() bool {
				values += len(*must(client.NewConsumers().Records(kafka.Argument{ConsumerName: "one", ConsumerGroup: group, Timeout: 1000})))
				return values >= 2
			})
			equal(values, 2)
			done(consumers.CommitOffsets(&kafka.ConsumerOffsets{Offsets: []*kafka.ConsumerOffset{{Topic: topic, Partition: 0, Offset: 1}}}, "one", group))
			done(consumers.Unsubscribe("one", group))
			done(consumers.DeleteConsumer("one", group))
		}},
		{"assigned", func() {
			topic, group := unique("assigned"), unique("group")
			must(client.NewTopics().Produce(topic, message(`"a"`, `"b"`)))
			consumers := plain.NewConsumers()
			must(consumers.NewConsumer(&kafka.ConsumerRequest{Format: kafka.JSON, Offset: kafka.Earliest, AutoCommit: "false", Name: "two"}, group))
			partitions := &kafka.ConsumerOffsetsPartitions{Partitions: []*kafka.ConsumerPartitions{{Topic: topic, Partition: 0}}}
			done(consumers.Assign(partitions, "two", group))
			equal(must(consumers.Assignments("two", group)).Partitions[0].Topic, topic)
			done(consumers.SeekToEnd(partitions, "two", group))
			done(consumers.SeekToBeginning(partitions, "two", group))
			done(consumers.Seek(&kafka.ConsumerOffsets{Offsets: []*kafka.ConsumerOffset{{Topic: topic, Partition: 0, Offset: 0}}}, "two", group))
			done(consumers.DeleteConsumer("two", group))
		}},
	}
}
