package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

// saramaOver is a listener of the secured broker and how to speak to it.
type saramaOver struct {
	address string
	config  *sarama.Config
}

func saramaTLS(listener, authority string, certificate bool) saramaOver {
	config := saramaConfig()
	config.Net.TLS.Enable, config.Net.TLS.Config = true, tlsWith(authority, certificate)
	config.Metadata.Retry.Max = 1
	return saramaOver{secured.Bootstraps[listener], config}
}

type saramaToken struct{}

func (saramaToken) Token() (*sarama.AccessToken, error) {
	return &sarama.AccessToken{Token: token()}, nil
}

func saramaSASL(listener string, mechanism sarama.SASLMechanism, user credentials) saramaOver {
	over := saramaTLS(listener, "ca", false)
	if listener == "SASL_PLAINTEXT" {
		over.config.Net.TLS.Enable = false
	}
	net := &over.config.Net
	net.SASL.Enable, net.SASL.Mechanism, net.SASL.User, net.SASL.Password = true, mechanism, user.Name, user.Password
	net.SASL.Version = sarama.SASLHandshakeV1
	switch mechanism {
	case sarama.SASLTypeSCRAMSHA256:
		net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &saramaScram{hash: sha256Hash} }
	case sarama.SASLTypeSCRAMSHA512:
		net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &saramaScram{hash: sha512Hash} }
	case sarama.SASLTypeOAuth:
		net.SASL.TokenProvider = saramaToken{}
	}
	return over
}

func (over saramaOver) create(topic string) error {
	admin, err := sarama.NewClusterAdmin([]string{over.address}, over.config)
	if err != nil {
		return err
	}
	defer admin.Close()
	return admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false)
}

func (over saramaOver) send(topic string, values []string) error {
	producer, err := sarama.NewSyncProducer([]string{over.address}, over.config)
	if err != nil {
		return err
	}
	defer producer.Close()
	return producer.SendMessages(saramaValues(topic, values))
}

// saramaTaker takes records of a group until it has enough.
type saramaTaker struct {
	wanted int
	values []string
	done   context.CancelFunc
}

func (*saramaTaker) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*saramaTaker) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (taker *saramaTaker) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		taker.values = append(taker.values, string(message.Value))
		session.MarkMessage(message, "")
		if len(taker.values) == taker.wanted {
			taker.done()
		}
	}
	return nil
}

// take reads topic as a member of the group.
func (over saramaOver) take(ctx context.Context, topic, group string, wanted int) ([]string, error) {
	consumer, err := sarama.NewConsumerGroup([]string{over.address}, group, over.config)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	short, cancel := context.WithCancel(ctx)
	defer cancel()
	taker := &saramaTaker{wanted: wanted, done: cancel}
	for short.Err() == nil {
		if err := consumer.Consume(short, []string{topic}, taker); err != nil {
			return taker.values, err
		}
	}
	return taker.values, nil
}

func saramaWorks(over func() saramaOver) func(context.Context) error {
	return onSecured(func(ctx context.Context) error {
		topic, values := unique("topic"), numbers(100)
		if err := over().create(topic); err != nil {
			return err
		}
		if err := over().send(topic, values); err != nil {
			return err
		}
		got, err := over().take(ctx, topic, unique("group"), 100)
		return errors.Join(err, sameValues(got, values))
	})
}

func (over saramaOver) connect(context.Context) error {
	client, err := sarama.NewClient([]string{over.address}, over.config)
	if err != nil {
		return err
	}
	return client.Close()
}

func saramaWrongPassword(ctx context.Context) error {
	wrong := credentials{secured.User.Name, "guess"}
	isAuthentication := func(err error) bool { return errors.Is(err, sarama.ErrSASLAuthenticationFailed) }
	var failed error
	for _, mechanism := range []sarama.SASLMechanism{sarama.SASLTypePlaintext, sarama.SASLTypeSCRAMSHA256, sarama.SASLTypeSCRAMSHA512} {
		failed = errors.Join(failed, refuses(ctx, string(mechanism), saramaSASL("SASL_SSL", mechanism, wrong).connect, isAuthentication))
	}
	return failed
}

func saramaForbidden(ctx context.Context) error {
	topic, own := "forbidden-"+unique("topic"), unique("topic")
	over := func() saramaOver { return saramaSASL("SASL_SSL", sarama.SASLTypeSCRAMSHA512, secured.User) }
	if err := saramaSASL("SASL_SSL", sarama.SASLTypePlaintext, secured.Admin).create(topic); err != nil {
		return err
	}
	is := func(wanted error) func(error) bool { return func(err error) bool { return errors.Is(err, wanted) } }
	produce := func(context.Context) error {
		err := over().send(topic, []string{"v"})
		var each sarama.ProducerErrors
		if errors.As(err, &each) {
			return each[0].Err
		}
		return err
	}
	join := func(ctx context.Context) error {
		_, err := over().take(ctx, own, "forbidden", 1)
		return err
	}
	return errors.Join(over().create(own), over().send(own, []string{"v"}),
		refuses(ctx, "produce", produce, is(sarama.ErrTopicAuthorizationFailed)),
		refuses(ctx, "join", join, is(sarama.ErrGroupAuthorizationFailed)))
}

func saramaReauth(ctx context.Context) error {
	over, topic := saramaSASL("REAUTH", sarama.SASLTypeSCRAMSHA256, secured.User), unique("topic")
	if err := over.create(topic); err != nil {
		return err
	}
	producer := must(sarama.NewSyncProducer([]string{over.address}, over.config))
	defer producer.Close()
	for i := range 40 {
		if err := producer.SendMessages(saramaValues(topic, []string{fmt.Sprint(i)})); err != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
	got, err := over.take(ctx, topic, unique("group"), 40)
	return errors.Join(err, equal(len(got), 40))
}

func saramaSecuredCases() []testCase {
	with := func(listener string, mechanism sarama.SASLMechanism) func(context.Context) error {
		return saramaWorks(func() saramaOver { return saramaSASL(listener, mechanism, secured.User) })
	}
	return []testCase{
		{"tls", saramaWorks(func() saramaOver { return saramaTLS("TLS", "ca", false) })},
		{"mtls", saramaWorks(func() saramaOver { return saramaTLS("SSL", "ca", true) })},
		{"sasl-plain", with("SASL_SSL", sarama.SASLTypePlaintext)},
		{"sasl-plaintext", with("SASL_PLAINTEXT", sarama.SASLTypePlaintext)},
		{"sasl-scram-256", with("SASL_SSL", sarama.SASLTypeSCRAMSHA256)},
		{"sasl-scram-512", with("SASL_SSL", sarama.SASLTypeSCRAMSHA512)},
		{"oauthbearer", with("SASL_SSL", sarama.SASLTypeOAuth)},
		{"wrong-password", onSecured(saramaWrongPassword)},
		{"wrong-ca", onSecured(func(ctx context.Context) error {
			return refuses(ctx, "TLS", saramaTLS("TLS", "otherCa", false).connect, isUnknownAuthority)
		})},
		{"forbidden-topic", onSecured(saramaForbidden)},
		{"reauth", onSecured(saramaReauth)},
	}
}
