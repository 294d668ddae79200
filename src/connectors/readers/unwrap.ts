/** Compression around a whole file. */
import { type Duplex, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { ZstdFrames } from './zstd-frames.ts'

export type Wrapping = 'none' | 'gzip' | 'zstd'

/** As the name of a file says. */
export function wrappingOf(name: string): Wrapping {
  return /\.gz(?:ip)?$/i.test(name) ? 'gzip' : /\.zstd?$/i.test(name) ? 'zstd' : 'none'
}

/** Piece by piece: what a file would be at once, nobody holds. */
export async function* unwrapped(bytes: AsyncIterable<Buffer>, wrapping: 'gzip' | 'zstd'): AsyncGenerator<Buffer> {
  if (wrapping === 'gzip') return yield* through(createGunzip({ chunkSize }), bytes)
  const frames = new ZstdFrames(bytes)
  while (await frames.more()) yield* through(createZstdDecompress({ chunkSize }), frames.frame())
}

const chunkSize = 2 ** 18

async function* through(stream: Duplex, bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  // The cause is what the source of the bytes throws, and not that the stream was then destroyed.
  let cause: unknown = null
  const feeding = pipeline(Readable.from(bytes, { objectMode: false, highWaterMark: 1 }), stream).catch((error: unknown) => {
    cause = error
  })
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) yield chunk
  } catch (error) {
    await feeding
    throw cause ?? error
  } finally {
    stream.destroy()
  }
  await feeding
  if (cause !== null) throw cause
}
