package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"
)

// sarama's transactions. It has neither the consumer protocol of KIP-848 nor share groups.

func saramaTransactional(id string) sarama.SyncProducer {
	config := saramaConfig()
	config.Producer.Idempotent, config.Producer.Transaction.ID, config.Net.MaxOpenRequests = true, id, 1
	return must(sarama.NewSyncProducer([]string{address}, config))
}

func saramaIn(producer sarama.SyncProducer, topic string, end func() error, values ...string) error {
	if err := producer.BeginTxn(); err != nil {
		return err
	}
	if err := producer.SendMessages(saramaValues(topic, values)); err != nil {
		return err
	}
	return end()
}

func saramaCommitted(ctx context.Context, topic string, isolation sarama.IsolationLevel, wanted ...string) error {
	config := saramaConfig()
	config.Consumer.IsolationLevel = isolation
	got, err := saramaOver{address, config}.take(ctx, topic, unique("group"), len(wanted))
	return errors.Join(err, equal(fmt.Sprint(got), fmt.Sprint(wanted)))
}

func saramaTxnCommit(ctx context.Context) error {
	topic, producer := saramaTopic(1, nil), saramaTransactional(unique("txn"))
	defer producer.Close()
	for _, value := range []string{"0", "1", "2"} {
		if err := saramaIn(producer, topic, producer.CommitTxn, value, value); err != nil {
			return err
		}
	}
	return saramaCommitted(ctx, topic, sarama.ReadCommitted, "0", "0", "1", "1", "2", "2")
}

func saramaTxnAbort(ctx context.Context) error {
	topic, producer := saramaTopic(1, nil), saramaTransactional(unique("txn"))
	defer producer.Close()
	return errors.Join(
		saramaIn(producer, topic, producer.AbortTxn, "aborted"),
		saramaIn(producer, topic, producer.CommitTxn, "committed"),
		saramaCommitted(ctx, topic, sarama.ReadUncommitted, "aborted", "committed"),
		saramaCommitted(ctx, topic, sarama.ReadCommitted, "committed"))
}

func saramaTxnOffsets(ctx context.Context) error {
	topic, group, producer := saramaTopic(1, nil), unique("group"), saramaTransactional(unique("txn"))
	defer producer.Close()
	move := func(end func() error, to int64) error {
		offsets := map[string][]*sarama.PartitionOffsetMetadata{topic: {{Partition: 0, Offset: to}}}
		return saramaIn(producer, topic, func() error { return errors.Join(producer.AddOffsetsToTxn(offsets, group), end()) }, "v")
	}
	admin := must(sarama.NewClusterAdmin([]string{address}, saramaConfig()))
	defer admin.Close()
	at := func() int64 {
		return must(admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0}})).GetBlock(topic, 0).Offset
	}
	if err := errors.Join(move(producer.AbortTxn, 3), equal(at(), -1), move(producer.CommitTxn, 6)); err != nil {
		return err
	}
	// The offsets are there when the transaction's marker is, a little after the answer.
	return until(ctx, func() string { return fmt.Sprint("6 is committed, not ", at()) }, func() bool { return at() == 6 })
}

func saramaTxnFencing(ctx context.Context) error {
	topic, id := saramaTopic(1, nil), unique("txn")
	old := saramaTransactional(id)
	defer old.Close()
	begun := errors.Join(old.BeginTxn(), old.SendMessages(saramaValues(topic, []string{"old"})))
	fresh := saramaTransactional(id)
	defer fresh.Close()
	if err := errors.Join(begun, saramaIn(fresh, topic, fresh.CommitTxn, "new")); err != nil {
		return err
	}
	fenced := old.CommitTxn()
	if !errors.Is(fenced, sarama.ErrInvalidProducerEpoch) && !errors.Is(fenced, sarama.ErrProducerFenced) {
		return fmt.Errorf("the old one ended with %v", fenced)
	}
	return saramaCommitted(ctx, topic, sarama.ReadCommitted, "new")
}

func saramaTxnCases() []testCase {
	return []testCase{
		{"txn-commit", saramaTxnCommit},
		{"txn-abort", saramaTxnAbort},
		{"txn-offsets", saramaTxnOffsets},
		{"txn-fencing", saramaTxnFencing},
	}
}
