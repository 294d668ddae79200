// franz-go's client of schema registries, and its serde, against the registry at the URL that is the second argument.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

var ctx = context.Background()

type user struct {
	Name string `json:"name"`
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

func refused(err error, wanted *sr.Error) {
	var answer *sr.ResponseError
	if !errors.As(err, &answer) || answer.SchemaError() != wanted {
		panic(fmt.Sprintf("got %v, not %v", err, wanted))
	}
}

func unique(kind string) string { return fmt.Sprintf("compat-sr-%s-%x", kind, rand.Uint64()) }

func record(fields string) sr.Schema {
	return sr.Schema{Schema: `{"type":"record","name":"R","fields":[` + fields + `]}`}
}

const x, y = `{"name":"x","type":"int"}`, `{"name":"y","type":"int"}`

func cases(client *sr.Client) []struct {
	name string
	run  func()
} {
	return []struct {
		name string
		run  func()
	}{
		{"serde", func() {
			subject := unique("serde")
			schema := must(client.CreateSchema(ctx, subject, sr.Schema{Type: sr.TypeJSON, Schema: `{"type":"object","properties":{"name":{"type":"string"}}}`}))
			serde := sr.NewSerde()
			serde.Register(schema.ID, user{}, sr.EncodeFn(json.Marshal), sr.DecodeFn(json.Unmarshal))
			var got user
			if err := serde.Decode(must(serde.Encode(user{"a"})), &got); err != nil {
				panic(err)
			}
			equal(got, user{"a"})
		}},
		{"schemas", func() {
			subject := unique("schemas")
			first := must(client.CreateSchema(ctx, subject, record(x)))
			equal(first.Version, 1)
			equal(must(client.SchemaByID(ctx, first.ID)).Schema, record(x).Schema)
			equal(must(client.SchemaTextByID(ctx, first.ID)), record(x).Schema)
			equal(must(client.SchemaByGUID(ctx, first.GUID)).Schema.Schema, record(x).Schema)
			equal(must(client.SchemaByVersion(ctx, subject, -1)).ID, first.ID)
			equal(must(client.SchemaTextByVersion(ctx, subject, 1)), record(x).Schema)
			equal(must(client.LookupSchema(ctx, subject, record(x))).ID, first.ID)
			equal(len(must(client.Schemas(ctx, subject))), 1)
			equal(len(must(client.AllSchemas(ctx))) > 0, true)
			equal(strings.Contains(fmt.Sprint(must(client.SubjectsByID(ctx, first.ID))), subject), true)
			equal(len(must(client.SupportedTypes(ctx))), 3)
			equal(must(client.SubjectVersions(ctx, subject)), []int{1})
			_, err := client.SchemaByID(ctx, 2_000_000_000)
			refused(err, sr.ErrSchemaNotFound)
		}},
		{"deletion", func() {
			subject := unique("deletion")
			must(client.CreateSchema(ctx, subject, record(x)))
			_, err := client.DeleteSubject(ctx, subject, sr.HardDelete)
			refused(err, sr.ErrSubjectNotSoftDeleted)
			equal(must(client.DeleteSubject(ctx, subject, sr.SoftDelete)), []int{1})
			_, err = client.DeleteSubject(ctx, subject, sr.SoftDelete)
			refused(err, sr.ErrSubjectSoftDeleted)
			equal(strings.Contains(fmt.Sprint(must(client.Subjects(sr.WithParams(ctx, sr.ShowDeleted)))), subject), true)
			equal(must(client.DeleteSubject(ctx, subject, sr.HardDelete)), []int{1})
			_, err = client.SubjectVersions(ctx, subject)
			refused(err, sr.ErrSubjectNotFound)
		}},
		{"compatibility", func() {
			subject := unique("compatibility")
			must(client.CreateSchema(ctx, subject, record(x)))
			equal(must(client.CheckCompatibility(ctx, subject, -1, record(x+","+y))).Is, false)
			equal(must(client.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), subject, -2, record(""))).Is, true)
			_, err := client.CreateSchema(ctx, subject, record(x+","+y))
			refused(err, sr.ErrIncompatibleSchema)
			set := client.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatNone}, subject)[0]
			equal(set.Err, nil)
			equal(client.Compatibility(ctx, subject)[0].Level, sr.CompatNone)
			must(client.CreateSchema(ctx, subject, record(x+","+y)))
			equal(client.ResetCompatibility(ctx, subject)[0].Err, nil)
			refused(client.Compatibility(ctx, subject)[0].Err, sr.ErrSubjectLevelCompatibilityNotConfigured)
			equal(client.Compatibility(ctx)[0].Level, sr.CompatBackward)
		}},
		{"mode", func() {
			subject := unique("mode")
			equal(client.SetMode(ctx, sr.ModeImport, subject)[0].Err, nil)
			equal(must(client.CreateSchemaWithIDAndVersion(ctx, subject, record(x), 1_900_000_000+rand.IntN(100_000), 7)).Version, 7)
			equal(client.SetMode(ctx, sr.ModeReadOnly, subject)[0].Err, nil)
			_, err := client.CreateSchema(ctx, subject, record(y))
			refused(err, sr.ErrOperationNotPermitted)
			equal(client.ResetMode(ctx, subject)[0].Err, nil)
			refused(client.Mode(ctx, subject)[0].Err, sr.ErrSubjectLevelModeNotConfigured)
		}},
		{"references", func() {
			base, subject := unique("base"), unique("references")
			must(client.CreateSchema(ctx, base, sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; message B { int32 a = 1; }`}))
			schema := sr.Schema{
				Type:       sr.TypeProtobuf,
				Schema:     `syntax = "proto3"; import "b.proto"; message C { B b = 1; }`,
				References: []sr.SchemaReference{{Name: "b.proto", Subject: base, Version: 1}},
			}
			created := must(client.CreateSchema(ctx, subject, schema))
			equal(must(client.SchemaReferences(ctx, base, 1))[0].ID, created.ID)
			_, err := client.DeleteSubject(ctx, base, sr.SoftDelete)
			refused(err, sr.ErrReferenceExists)
		}},
	}
}

func main() {
	client := must(sr.NewClient(sr.URLs(os.Args[2])))
	for _, each := range cases(client) {
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
