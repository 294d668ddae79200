/** How a shard's records lie in the log: one uncompressed v2 batch per append, and any batch when reading. */
import { buildBatch } from '../protocol.ts'
import type { LogRecord } from './shard.ts'
