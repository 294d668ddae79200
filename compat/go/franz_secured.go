package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func franzPlain(user credentials) sasl.Mechanism {
	return plain.Auth{User: user.Name, Pass: user.Password}.AsMechanism()
}

func franzScram256(user credentials) sasl.Mechanism {
	return scram.Auth{User: user.Name, Pass: user.Password}.AsSha256Mechanism()
}

func franzScram512(user credentials) sasl.Mechanism {
	return scram.Auth{User: user.Name, Pass: user.Password}.AsSha512Mechanism()
}

func franzTLS(listener, authority string, certificate bool) []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(secured.Bootstraps[listener]), kgo.DialTLSConfig(tlsWith(authority, certificate))}
}

func franzSASL(listener string, mechanism sasl.Mechanism) []kgo.Opt {
	if listener == "SASL_PLAINTEXT" {
		return []kgo.Opt{kgo.SeedBrokers(secured.Bootstraps[listener]), kgo.SASL(mechanism)}
	}
	return append(franzTLS(listener, "ca", false), kgo.SASL(mechanism))
}

func franzWorks(options func() []kgo.Opt) func(context.Context) error {
	return onSecured(func(ctx context.Context) error {
		topic, err := franzTopicOf(ctx, options())
		if err != nil {
			return err
		}
		values := numbers(100)
		if err := franzSend(ctx, franzValues(topic, values), options()...); err != nil {
			return err
		}
		got, err := franzRead(ctx, topic, 100, append(options(), kgo.ConsumerGroup(unique("group")))...)
		var all []string
		for _, record := range got {
			all = append(all, string(record.Value))
		}
		return errors.Join(err, sameValues(all, values))
	})
}

// franzTopicOf is a topic that a client with these options makes.
func franzTopicOf(ctx context.Context, options []kgo.Opt) (string, error) {
	client := franzClient(options...)
	defer client.Close()
	topic := unique("topic")
	_, err := kadm.NewClient(client).CreateTopic(ctx, 1, 1, nil, topic)
	return topic, err
}

func franzPing(options []kgo.Opt) func(context.Context) error {
	return func(ctx context.Context) error {
		client := franzClient(options...)
		defer client.Close()
		return client.Ping(ctx)
	}
}

func franzWrongPassword(ctx context.Context) error {
	wrong := credentials{secured.User.Name, "guess"}
	isAuthentication := func(err error) bool { return errors.Is(err, kerr.SaslAuthenticationFailed) }
	var failed error
	for _, mechanism := range []sasl.Mechanism{franzPlain(wrong), franzScram256(wrong), franzScram512(wrong)} {
		failed = errors.Join(failed, refuses(ctx, mechanism.Name(), franzPing(franzSASL("SASL_SSL", mechanism)), isAuthentication))
	}
	return failed
}

func franzForbidden(ctx context.Context) error {
	topic, options := "forbidden-"+unique("topic"), franzSASL("SASL_SSL", franzScram512(secured.User))
	admin := franzClient(franzSASL("SASL_SSL", franzPlain(secured.Admin))...)
	defer admin.Close()
	if _, err := kadm.NewClient(admin).CreateTopic(ctx, 1, 1, nil, topic); err != nil {
		return err
	}
	produce := func(ctx context.Context) error { return franzSend(ctx, franzValues(topic, []string{"v"}), options...) }
	consume := func(ctx context.Context) error {
		_, err := franzRead(ctx, topic, 1, options...)
		return err
	}
	own, err := franzTopicOf(ctx, options)
	join := func(ctx context.Context) error {
		_, err := franzRead(ctx, own, 1, append(options, kgo.ConsumerGroup("forbidden"))...)
		return err
	}
	is := func(wanted error) func(error) bool { return func(err error) bool { return errors.Is(err, wanted) } }
	return errors.Join(err,
		refuses(ctx, "produce", produce, is(kerr.TopicAuthorizationFailed)),
		refuses(ctx, "consume", consume, is(kerr.TopicAuthorizationFailed)),
		refuses(ctx, "join", join, is(kerr.GroupAuthorizationFailed)))
}

// franzReauth goes on for longer than a session lasts, over one connection for each purpose.
func franzReauth(ctx context.Context) error {
	hook := &franzConnects{}
	options := append(franzSASL("REAUTH", franzScram256(secured.User)), kgo.WithHooks(hook))
	topic, err := franzTopicOf(ctx, franzSASL("REAUTH", franzScram256(secured.User)))
	if err != nil {
		return err
	}
	client := franzClient(options...)
	defer client.Close()
	for i := range 40 {
		if err := client.ProduceSync(ctx, franzValues(topic, []string{fmt.Sprint(i)})...).FirstErr(); err != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
	got, err := franzRead(ctx, topic, 40, franzSASL("REAUTH", franzScram256(secured.User))...)
	return errors.Join(err, equal(len(got), 40), equal(hook.disconnects, 0))
}

func franzMember848Secured(ctx context.Context) error {
	options := func() []kgo.Opt {
		return append(franzSASL("SASL_SSL", franzScram512(secured.User)), kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer()))
	}
	if err := franzWorks(options)(ctx); err != nil {
		return err
	}
	topic, err := franzTopicOf(ctx, franzSASL("SASL_SSL", franzScram512(secured.User)))
	join := func(ctx context.Context) error {
		_, err := franzRead(ctx, topic, 1, append(options(), kgo.ConsumerGroup("forbidden"))...)
		return err
	}
	return errors.Join(err, refuses(ctx, "join", join, func(err error) bool { return errors.Is(err, kerr.GroupAuthorizationFailed) }))
}

func franzSecuredCases() []testCase {
	over := func(mechanism func(credentials) sasl.Mechanism, listener string) func(context.Context) error {
		return franzWorks(func() []kgo.Opt { return franzSASL(listener, mechanism(secured.User)) })
	}
	return []testCase{
		{"tls", franzWorks(func() []kgo.Opt { return franzTLS("TLS", "ca", false) })},
		{"mtls", franzWorks(func() []kgo.Opt { return franzTLS("SSL", "ca", true) })},
		{"sasl-plain", over(franzPlain, "SASL_SSL")},
		{"sasl-plaintext", over(franzPlain, "SASL_PLAINTEXT")},
		{"sasl-scram-256", over(franzScram256, "SASL_SSL")},
		{"sasl-scram-512", over(franzScram512, "SASL_SSL")},
		{"oauthbearer", over(func(credentials) sasl.Mechanism { return oauth.Auth{Token: token()}.AsMechanism() }, "SASL_SSL")},
		{"wrong-password", onSecured(franzWrongPassword)},
		{"wrong-ca", onSecured(func(ctx context.Context) error {
			return refuses(ctx, "TLS", franzPing(franzTLS("TLS", "otherCa", false)), isUnknownAuthority)
		})},
		{"forbidden-topic", onSecured(franzForbidden)},
		{"reauth", onSecured(franzReauth)},
		{"consumer-protocol-secured", onSecured(franzMember848Secured)},
	}
}
