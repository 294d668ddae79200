//! schema_registry_converter's encoders and decoders, against the registry at the URL that is the second argument.
use apache_avro::types::Value;
use schema_registry_converter::blocking::avro::{AvroDecoder, AvroEncoder};
use schema_registry_converter::blocking::json::{JsonDecoder, JsonEncoder};
use schema_registry_converter::blocking::proto_raw::{ProtoRawDecoder, ProtoRawEncoder};
use schema_registry_converter::blocking::schema_registry::SrSettings;
use schema_registry_converter::schema_registry_common::{SchemaType, SubjectNameStrategy, SuppliedReference, SuppliedSchema};
use serde_json::json;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn unique(kind: &str) -> String {
    format!("compat-rust-{kind}-{}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos())
}

fn settings() -> SrSettings {
    SrSettings::new(std::env::args().nth(2).expect("the URL of the registry"))
}

fn supplied(schema_type: SchemaType, name: &str, schema: &str, references: Vec<SuppliedReference>) -> SuppliedSchema {
    SuppliedSchema { name: Some(name.to_string()), schema_type, schema: schema.to_string(), references, properties: None, tags: None }
}

const RECORD: &str = r#"{"type":"record","name":"R","namespace":"c","fields":[{"name":"x","type":"long"}]}"#;

fn avro() -> Outcome {
    let topic = unique("avro");
    let strategy = SubjectNameStrategy::TopicNameStrategyWithSchema(topic.clone(), false, supplied(SchemaType::Avro, "c.R", RECORD, vec![]));
    let bytes = AvroEncoder::new(settings()).encode(vec![("x", Value::Long(i64::MAX))], &strategy)?;
    assert_eq!(bytes[0], 0);
    let decoded = AvroDecoder::new(settings()).decode(Some(&bytes))?;
    assert_eq!(decoded.value, Value::Record(vec![("x".to_string(), Value::Long(i64::MAX))]));
    // The schema is there now, and is found as the latest one.
    let again = AvroEncoder::new(settings()).encode(vec![("x", Value::Long(i64::MAX))], &SubjectNameStrategy::TopicNameStrategy(topic, false))?;
    assert_eq!(again, bytes);
    Ok(())
}

fn avro_references() -> Outcome {
    let base = unique("base");
    let reference = SuppliedReference {
        name: "n.E".to_string(),
        subject: base,
        schema: r#"{"type":"enum","name":"E","namespace":"n","symbols":["A","B"]}"#.to_string(),
        references: vec![],
        properties: None,
        tags: None,
    };
    let text = r#"{"type":"record","name":"U","namespace":"c","fields":[{"name":"e","type":"n.E"}]}"#;
    let strategy = SubjectNameStrategy::TopicNameStrategyWithSchema(unique("references"), false, supplied(SchemaType::Avro, "c.U", text, vec![reference]));
    let bytes = AvroEncoder::new(settings()).encode(vec![("e", Value::Enum(1, "B".to_string()))], &strategy)?;
    let decoded = AvroDecoder::new(settings()).decode(Some(&bytes))?;
    assert_eq!(decoded.value, Value::Record(vec![("e".to_string(), Value::Enum(1, "B".to_string()))]));
    Ok(())
}

fn json_schema() -> Outcome {
    let text = r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"name":{"type":"string"}},"required":["name"]}"#;
    let strategy = SubjectNameStrategy::TopicNameStrategyWithSchema(unique("json"), false, supplied(SchemaType::Json, "json", text, vec![]));
    let mut encoder = JsonEncoder::new(settings());
    let value = json!({"name": "Ada"});
    let bytes = encoder.encode(&value, &strategy)?;
    assert!(encoder.encode(&json!({"name": 1}), &strategy).is_err());
    let mut decoder = JsonDecoder::new(settings());
    let decoded = decoder.decode(Some(&bytes))?.ok_or("nothing")?;
    assert_eq!(decoded.value, value);
    Ok(())
}

fn protobuf() -> Outcome {
    let text = "syntax = \"proto3\"; package c; message Other {} message Beat { uint64 at = 1; }";
    let strategy = SubjectNameStrategy::TopicNameStrategyWithSchema(unique("protobuf"), false, supplied(SchemaType::Protobuf, "c.Beat", text, vec![]));
    let message = [8u8, 101];
    let bytes = ProtoRawEncoder::new(settings()).encode(&message, "c.Beat", &strategy)?;
    let decoded = ProtoRawDecoder::new(settings()).decode(Some(&bytes))?.ok_or("nothing")?;
    assert_eq!(*decoded.full_name, "c.Beat");
    assert_eq!(decoded.bytes, message);
    Ok(())
}

fn incompatible() -> Outcome {
    let topic = unique("incompatible");
    let strategy = |text: &str| SubjectNameStrategy::TopicNameStrategyWithSchema(topic.clone(), false, supplied(SchemaType::Avro, "c.R", text, vec![]));
    AvroEncoder::new(settings()).encode(vec![("x", Value::Long(1))], &strategy(RECORD))?;
    let other = r#"{"type":"record","name":"R","namespace":"c","fields":[{"name":"x","type":"string"}]}"#;
    let refused = AvroEncoder::new(settings()).encode(vec![("x", Value::String("a".to_string()))], &strategy(other));
    assert!(refused.is_err());
    Ok(())
}

fn main() {
    let cases: [(&str, fn() -> Outcome); 5] =
        [("avro", avro), ("avro/references", avro_references), ("json", json_schema), ("protobuf", protobuf), ("incompatible", incompatible)];
    std::panic::set_hook(Box::new(|_| {}));
    for (name, run) in cases {
        let began = Instant::now();
        match std::panic::catch_unwind(run) {
            Ok(Ok(())) => println!("ok {name} ({} ms)", began.elapsed().as_millis()),
            Ok(Err(error)) => println!("FAIL {name}: {}", error.to_string().replace('\n', " ")),
            Err(panic) => println!("FAIL {name}: {}", panic.downcast_ref::<String>().cloned().unwrap_or_default().replace('\n', " ")),
        }
    }
}
