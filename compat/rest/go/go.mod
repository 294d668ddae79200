module millrace/compat/rest

go 1.26

require (
	github.com/andy2046/kafka-rest-go v0.0.0-20181009061556-f37b9d4529f0
	github.com/antihax/optional v1.0.0
	github.com/confluentinc/kafka-rest-sdk-go/kafkarestv3 v0.0.0
)
