// confluent-kafka-go's client of schema registries and its serializers, against the registry at the URL that is the second argument.
package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/rest"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/avrov2"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/jsonschema"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/protobuf"
	"google.golang.org/protobuf/types/known/structpb"
)

type user struct {
	Name string `avro:"name" json:"name"`
	Age  int    `avro:"age" json:"age"`
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func equal(got, wanted any) {
	if fmt.Sprint(got) != fmt.Sprint(wanted) {
		panic(fmt.Sprintf("got %v, not %v", got, wanted))
	}
}

func refused(err error, code int) {
	var answer *rest.Error
	if !errors.As(err, &answer) || answer.Code != code {
		panic(fmt.Sprintf("got %v, not %d", err, code))
	}
}

func done(err error) {
	if err != nil {
		panic(err)
	}
}

func unique(kind string) string { return fmt.Sprintf("compat-cgo-%s-%x", kind, rand.Uint64()) }

func record(fields string) schemaregistry.SchemaInfo {
	return schemaregistry.SchemaInfo{Schema: `{"type":"record","name":"R","fields":[` + fields + `]}`}
}

const x, y = `{"name":"x","type":"int"}`, `{"name":"y","type":"int"}`

// Without what another client has in its cache.
func open() schemaregistry.Client {
	return must(schemaregistry.NewClient(schemaregistry.NewConfig(os.Args[2])))
}

func avro() {
	topic := unique("avro")
	serializer := must(avrov2.NewSerializer(open(), serde.ValueSerde, avrov2.NewSerializerConfig()))
	bytes := must(serializer.Serialize(topic, &user{"Ada", 36}))
	equal(bytes[0], 0)
	var got user
	deserializer := must(avrov2.NewDeserializer(open(), serde.ValueSerde, avrov2.NewDeserializerConfig()))
	done(deserializer.DeserializeInto(topic, bytes, &got))
	equal(got, user{"Ada", 36})
}

func jsonSchema() {
	topic := unique("json")
	config := jsonschema.NewSerializerConfig()
	config.EnableValidation = true
	serializer := must(jsonschema.NewSerializer(open(), serde.ValueSerde, config))
	bytes := must(serializer.Serialize(topic, &user{"Ada", 36}))
	var got user
	deserializer := must(jsonschema.NewDeserializer(open(), serde.ValueSerde, jsonschema.NewDeserializerConfig()))
	done(deserializer.DeserializeInto(topic, bytes, &got))
	equal(got, user{"Ada", 36})
}

func protobufs() {
	topic := unique("protobuf")
	serializer := must(protobuf.NewSerializer(open(), serde.ValueSerde, protobuf.NewSerializerConfig()))
	value := must(structpb.NewStruct(map[string]any{"a": 1.5}))
	bytes := must(serializer.Serialize(topic, value))
	deserializer := must(protobuf.NewDeserializer(open(), serde.ValueSerde, protobuf.NewDeserializerConfig()))
	done(deserializer.ProtoRegistry.RegisterMessage((&structpb.Struct{}).ProtoReflect().Type()))
	got := must(deserializer.Deserialize(topic, bytes)).(*structpb.Struct)
	equal(got.AsMap()["a"], 1.5)
}

func subjects() {
	subject, client := unique("subjects"), open()
	must(client.UpdateCompatibility(subject, schemaregistry.None))
	first := must(client.Register(subject, record(x), false))
	second := must(client.Register(subject, record(y), true))
	equal(must(client.GetAllVersions(subject)), []int{1, 2})
	equal(must(open().GetID(subject, record(x), false)), first)
	equal(must(open().GetVersion(subject, record(y), false)), 2)
	latest := must(open().GetLatestSchemaMetadata(subject))
	equal([]int{latest.ID, latest.Version}, []int{second, 2})
	equal(must(open().GetSchemaMetadata(subject, 1)).ID, first)
	equal(must(open().GetBySubjectAndID(subject, first)).Schema, record(x).Schema)
	equal(must(client.DeleteSubjectVersion(subject, 1, false)), 1)
	equal(must(client.DeleteSubject(subject, false)), []int{2})
	equal(must(client.DeleteSubject(subject, true)), []int{1, 2})
	_, err := open().GetAllVersions(subject)
	refused(err, 40401)
	_, err = open().GetBySubjectAndID("", 1_999_999_999)
	refused(err, 40403)
}

func compatibility() {
	subject, client := unique("compatibility"), open()
	must(client.Register(subject, record(x), false))
	equal(must(client.TestCompatibility(subject, 1, record(x+","+y))), false)
	equal(must(client.TestCompatibility(subject, 1, record(""))), true)
	_, err := client.Register(subject, record(x+","+y), false)
	refused(err, 409)
	equal(must(client.UpdateCompatibility(subject, schemaregistry.FullTransitive)), schemaregistry.Compatibility(schemaregistry.FullTransitive))
	equal(must(client.GetCompatibility(subject)), schemaregistry.Compatibility(schemaregistry.FullTransitive))
	equal(must(client.GetDefaultCompatibility()), schemaregistry.Compatibility(schemaregistry.Backward))
}

func main() {
	for _, each := range []struct {
		name string
		run  func()
	}{{"avro", avro}, {"json", jsonSchema}, {"protobuf", protobufs}, {"subjects", subjects}, {"compatibility", compatibility}} {
		began := time.Now()
		func() {
			defer func() {
				if failure := recover(); failure != nil {
					fmt.Printf("FAIL %s: %.300s\n", each.name, strings.Join(strings.Fields(fmt.Sprint(failure)), " "))
				} else {
					fmt.Printf("ok %s (%d ms)\n", each.name, time.Since(began).Milliseconds())
				}
			}()
			each.run()
		}()
	}
}
