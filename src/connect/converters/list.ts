/** The only place that names all converters. */
import { avro } from './avro.ts'
import type { ConverterDefinition } from './converter.ts'
import { json } from './json.ts'
import { jsonSchema } from './json-schema.ts'
import { primitiveConverters } from './primitives.ts'
import { protobuf } from './protobuf.ts'
import { simple } from './simple-header.ts'

export const converters: readonly ConverterDefinition[] = [json, ...primitiveConverters, simple, avro, protobuf, jsonSchema]
