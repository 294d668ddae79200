package main

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// kafka-go has no OAUTHBEARER, no re-authentication and no producer with transactions.

type kafkaGoOver struct {
	address   string
	tls       *tls.Config
	mechanism sasl.Mechanism
}

func kafkaGoPlain(user credentials) sasl.Mechanism {
	return plain.Mechanism{Username: user.Name, Password: user.Password}
}

func kafkaGoScram(algorithm scram.Algorithm) func(credentials) sasl.Mechanism {
	return func(user credentials) sasl.Mechanism {
		return must(scram.Mechanism(algorithm, user.Name, user.Password))
	}
}

func kafkaGoTLS(listener, authority string, certificate bool) kafkaGoOver {
	return kafkaGoOver{secured.Bootstraps[listener], tlsWith(authority, certificate), nil}
}

func kafkaGoSASL(listener string, mechanism sasl.Mechanism) kafkaGoOver {
	over := kafkaGoTLS(listener, "ca", false)
	if listener == "SASL_PLAINTEXT" {
		over.tls = nil
	}
	over.mechanism = mechanism
	return over
}

func (over kafkaGoOver) transport() *kafka.Transport {
	return &kafka.Transport{TLS: over.tls, SASL: over.mechanism}
}

func (over kafkaGoOver) create(ctx context.Context, topic string) error {
	client := &kafka.Client{Addr: kafka.TCP(over.address), Timeout: 20 * time.Second, Transport: over.transport()}
	request := kafka.TopicConfig{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}
	answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{request}})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

func (over kafkaGoOver) send(ctx context.Context, topic string, values ...string) error {
	writer := &kafka.Writer{Addr: kafka.TCP(over.address), Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: 5 * time.Millisecond, Transport: over.transport()}
	defer writer.Close()
	return writer.WriteMessages(ctx, kafkaGoValues(values)...)
}

func (over kafkaGoOver) take(ctx context.Context, topic, group string, count int) ([]string, error) {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{over.address}, Topic: topic, GroupID: group, Dialer: over.dialer(), MaxWait: 200 * time.Millisecond, StartOffset: kafka.FirstOffset})
	defer reader.Close()
	got, err := kafkaGoRead(ctx, reader, count)
	var all []string
	for _, message := range got {
		all = append(all, string(message.Value))
	}
	return all, err
}

// dial fails for the reason that the writer's transport keeps to itself.
func (over kafkaGoOver) dial(ctx context.Context) error {
	connection, err := over.dialer().DialContext(ctx, "tcp", over.address)
	if err != nil {
		return err
	}
	return connection.Close()
}

func (over kafkaGoOver) dialer() *kafka.Dialer {
	return &kafka.Dialer{Timeout: 10 * time.Second, DualStack: true, TLS: over.tls, SASLMechanism: over.mechanism}
}

func kafkaGoWorks(over func() kafkaGoOver) func(context.Context) error {
	return onSecured(func(ctx context.Context) error {
		topic, values := unique("topic"), numbers(100)
		if err := over().create(ctx, topic); err != nil {
			return err
		}
		if err := over().send(ctx, topic, values...); err != nil {
			return err
		}
		got, err := over().take(ctx, topic, unique("group"), 100)
		return errors.Join(err, sameValues(got, values))
	})
}

func kafkaGoWrongPassword(ctx context.Context) error {
	wrong := credentials{secured.User.Name, "guess"}
	var failed error
	for _, mechanism := range []sasl.Mechanism{kafkaGoPlain(wrong), kafkaGoScram(scram.SHA256)(wrong), kafkaGoScram(scram.SHA512)(wrong)} {
		isAuthentication := func(err error) bool { return errors.Is(err, kafka.SASLAuthenticationFailed) }
		failed = errors.Join(failed, refuses(ctx, mechanism.Name(), kafkaGoSASL("SASL_SSL", mechanism).dial, isAuthentication))
	}
	return failed
}

func kafkaGoForbidden(ctx context.Context) error {
	topic, over := "forbidden-"+unique("topic"), kafkaGoSASL("SASL_SSL", kafkaGoScram(scram.SHA512)(secured.User))
	if err := kafkaGoSASL("SASL_SSL", kafkaGoPlain(secured.Admin)).create(ctx, topic); err != nil {
		return err
	}
	isRefused := func(err error) bool { return errors.Is(err, kafka.TopicAuthorizationFailed) }
	// Its writer forgets what the metadata said about the topic.
	isUnknown := func(err error) bool { return errors.Is(err, kafka.UnknownTopicOrPartition) }
	return errors.Join(
		refuses(ctx, "produce", func(ctx context.Context) error { return over.send(ctx, topic, "v") }, isUnknown),
		refuses(ctx, "create", func(ctx context.Context) error { return over.create(ctx, "forbidden-"+unique("topic")) }, isRefused))
}

func kafkaGoSecuredCases() []testCase {
	with := func(listener string, mechanism func(credentials) sasl.Mechanism) func(context.Context) error {
		return kafkaGoWorks(func() kafkaGoOver { return kafkaGoSASL(listener, mechanism(secured.User)) })
	}
	return []testCase{
		{"tls", kafkaGoWorks(func() kafkaGoOver { return kafkaGoTLS("TLS", "ca", false) })},
		{"mtls", kafkaGoWorks(func() kafkaGoOver { return kafkaGoTLS("SSL", "ca", true) })},
		{"sasl-plain", with("SASL_SSL", kafkaGoPlain)},
		{"sasl-plaintext", with("SASL_PLAINTEXT", kafkaGoPlain)},
		{"sasl-scram-256", with("SASL_SSL", kafkaGoScram(scram.SHA256))},
		{"sasl-scram-512", with("SASL_SSL", kafkaGoScram(scram.SHA512))},
		{"wrong-password", onSecured(kafkaGoWrongPassword)},
		{"wrong-ca", onSecured(func(ctx context.Context) error {
			return refuses(ctx, "TLS", kafkaGoTLS("TLS", "otherCa", false).dial, isUnknownAuthority)
		})},
		{"forbidden-topic", onSecured(kafkaGoForbidden)},
	}
}
