package main

import (
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"github.com/xdg-go/scram"
)

// saramaScram is the SCRAM that sarama leaves to its users.
type saramaScram struct {
	hash         scram.HashGeneratorFcn
	conversation *scram.ClientConversation
}

func sha256Hash() hash.Hash { return sha256.New() }
func sha512Hash() hash.Hash { return sha512.New() }

func (s *saramaScram) Begin(user, password, authorizationID string) error {
	client, err := s.hash.NewClient(user, password, authorizationID)
	if err != nil {
		return err
	}
	s.conversation = client.NewConversation()
	return nil
}

func (s *saramaScram) Step(challenge string) (string, error) { return s.conversation.Step(challenge) }
func (s *saramaScram) Done() bool                            { return s.conversation.Done() }
