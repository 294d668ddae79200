/** All formats, by the names and Java classes that configurations have. */
import { avro } from './avro.ts'
import { csv } from './csv.ts'
import type { Format } from './format.ts'
import { ndjson } from './ndjson.ts'
import { parquet } from './parquet.ts'
import { raw } from './raw.ts'

export const formats: readonly Format[] = [ndjson, csv, avro, parquet, raw]

export function formatNamed(name: string): Format | null {
  const short = name.toLowerCase()
  return formats.find(format => format.name === short || format.classes.includes(name)) ?? null
}
