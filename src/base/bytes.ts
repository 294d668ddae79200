/** Big-endian cursors over bytes, in the primitive types of Kafka's wire format. */
export { ByteReader, MalformedInput } from './byte-reader.ts'
export { ByteWriter, type Chunks } from './byte-writer.ts'
export { allow, beginPauses, TooManyElements, unlimited } from './pace.ts'
