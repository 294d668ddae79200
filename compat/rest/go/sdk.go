package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/antihax/optional"
	"github.com/confluentinc/kafka-rest-sdk-go/kafkarestv3"
)

var ctx = context.Background()

// Without the HTTP response that each call of the SDK returns.
func answer[T any](value T, _ *http.Response, err error) T {
	var told kafkarestv3.GenericOpenAPIError
	if errors.As(err, &told) {
		panic(err.Error() + " " + string(told.Body()))
	}
	return must(value, err)
}

func status(response *http.Response, err error) int {
	if response == nil {
		panic(err)
	}
	return response.StatusCode
}

func sdkCases() []testCase {
	config := kafkarestv3.NewConfiguration()
	config.BasePath = url + "/v3"
	client := kafkarestv3.NewAPIClient(config)
	cluster := func() string { return answer(client.ClusterV3Api.ClustersGet(ctx)).Data[0].ClusterId }
	create := func(kind string, partitions int32) string {
		name := unique(kind)
		made := answer(client.TopicV3Api.CreateKafkaTopic(ctx, cluster(), &kafkarestv3.CreateKafkaTopicOpts{
			CreateTopicRequestData: optional.NewInterface(kafkarestv3.CreateTopicRequestData{
				TopicName:       name,
				PartitionsCount: partitions,
				Configs:         []kafkarestv3.CreateTopicRequestDataConfigs{{Name: "cleanup.policy", Value: text("compact")}},
			}),
		}))
		equal(made.TopicName, name)
		return name
	}
	return []testCase{
		{"clusters", func() {
			id := cluster()
			equal(answer(client.ClusterV3Api.GetKafkaCluster(ctx, id)).ClusterId, id)
			equal(len(answer(client.BrokerV3Api.ClustersClusterIdBrokersGet(ctx, id)).Data) > 0, true)
		}},
		{"topics", func() {
			name := create("topics", 2)
			equal(answer(client.TopicV3Api.GetKafkaTopic(ctx, cluster(), name)).PartitionsCount, 2)
			found := false
			for _, each := range answer(client.TopicV3Api.ListKafkaTopics(ctx, cluster())).Data {
				found = found || each.TopicName == name
			}
			equal(found, true)
			equal(len(answer(client.PartitionV3Api.ListKafkaPartitions(ctx, cluster(), name)).Data), 2)
			equal(status(client.TopicV3Api.DeleteKafkaTopic(ctx, cluster(), name)), 204)
			_, response, err := client.TopicV3Api.GetKafkaTopic(ctx, cluster(), name)
			equal(status(response, err), 404)
		}},
		{"configs", func() {
			name := create("configs", 1)
			equal(*answer(client.ConfigsV3Api.GetKafkaTopicConfig(ctx, cluster(), name, "cleanup.policy")).Value, "compact")
			response, err := client.ConfigsV3Api.UpdateKafkaTopicConfig(ctx, cluster(), name, "retention.ms", &kafkarestv3.UpdateKafkaTopicConfigOpts{
				UpdateConfigRequestData: optional.NewInterface(kafkarestv3.UpdateConfigRequestData{Value: text("3600000")}),
			})
			equal(status(response, err), 204)
			for _, each := range answer(client.ConfigsV3Api.ListKafkaTopicConfigs(ctx, cluster(), name)).Data {
				if each.Name == "retention.ms" {
					equal(*each.Value, "3600000")
				}
			}
			equal(status(client.ConfigsV3Api.DeleteKafkaTopicConfig(ctx, cluster(), name, "retention.ms")), 204)
		}},
		{"records", func() {
			name := create("records", 1)
			var data any = map[string]any{"a": 1}
			report := answer(client.RecordsV3Api.ProduceRecord(ctx, cluster(), name, &kafkarestv3.ProduceRecordOpts{
				ProduceRequest: optional.NewInterface(kafkarestv3.ProduceRequest{Value: &kafkarestv3.ProduceRequestData{Type: "JSON", Data: &data}}),
			}))
			equal([]any{report.ErrorCode, report.Offset, report.PartitionId}, []any{200, 0, 0})
		}},
		{"consumer-groups", func() {
			answer(client.ConsumerGroupV3Api.ListKafkaConsumerGroups(ctx, cluster()))
			_, response, err := client.ConsumerGroupV3Api.GetKafkaConsumerGroup(ctx, cluster(), unique("none"))
			equal(status(response, err), 404)
		}},
	}
}

func text(value string) *string { return &value }
