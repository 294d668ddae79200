/** All readers, by the names and Java classes that configurations have. */
import { avroReader } from './avro.ts'
import { csvReader } from './csv.ts'
import { bytesReader, jsonReader } from './lines.ts'
import { parquetReader } from './parquet.ts'
import type { Pages, Reader, ReadFile, ReadSettings } from './reader.ts'
import { unwrapped, type Wrapping } from './unwrap.ts'

export const readers: readonly Reader[] = [jsonReader, csvReader, avroReader, parquetReader, bytesReader]

export function readerNamed(name: string): Reader | null {
  const short = name.toLowerCase()
  return readers.find(reader => reader.name === short || reader.classes.includes(name)) ?? null
}

const sliceBytes = 4 * 2 ** 20

/** The values of a file; `wrapping`: what is around it. */
export function pagesOf(reader: Reader, file: ReadFile, wrapping: Wrapping, settings: ReadSettings): Pages {
  if (reader.readFile !== undefined) return reader.readFile(file, settings)
  const bytes = slices(file)
  return reader.readBytes!(wrapping === 'none' ? bytes : unwrapped(bytes, wrapping), settings)
}

async function* slices(file: ReadFile): AsyncGenerator<Buffer> {
  for (let from = 0; from < file.size; from += sliceBytes) yield await file.slice(from, Math.min(from + sliceBytes, file.size))
}
