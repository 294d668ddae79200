import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameMemory } from './frame-memory.ts'
import { FrameReader } from './frames.ts'

function frame(size: number, fill: number): Buffer {
  const bytes = Buffer.alloc(4 + size, fill)
  bytes.writeInt32BE(size, 0)
  return bytes
}

interface ReaderOptions {
  scratchBytes?: number
  accept?: (frame: Buffer) => boolean
  maxFrameBytes?: number
  memory?: FrameMemory
  wake?: () => void
}

function reader(options: ReaderOptions = {}) {
  const frames: Buffer[] = []
  const rejected: string[] = []
  const scratch = Buffer.alloc(options.scratchBytes ?? 64)
  const made = new FrameReader(
    scratch,
    options.maxFrameBytes ?? 1 << 20,
    (options.memory ?? new FrameMemory(1e9)).share(options.wake ?? (() => {})),
    bytes => {
      frames.push(Buffer.from(bytes))
      return options.accept?.(bytes) ?? true
    },
    error => rejected.push((error as Error).message),
  )
  /** Feeds as a socket would: never more than the target takes; stops when told to. Returns what was not taken. */
  const feed = (bytes: Buffer, stepBytes = 1e9): Buffer => {
    let at = 0
    while (at < bytes.length) {
      const copied = bytes.copy(made.target(), 0, at, Math.min(bytes.length, at + stepBytes))
      at += copied
      if (!made.received(copied)) break
    }
    return bytes.subarray(at)
  }
  return { made, frames, rejected, feed }
}

test('frames are the same however the bytes are cut', () => {
  const sizes = [0, 1, 59, 60, 61, 200, 5, 0, 70_000, 3]
  const stream = Buffer.concat(sizes.map((size, index) => frame(size, index + 1)))
  for (const step of [1, 2, 3, 5, 63, 64, 1e9]) {
    const { frames, feed, made } = reader()
    feed(stream, step)
    assert.deepEqual(
      frames.map(bytes => [bytes.length, bytes[0] ?? 0]),
      sizes.map((size, index) => [size, size === 0 ? 0 : index + 1]),
    )
    assert.equal(made.unfinished, false)
  }
})

test('a sink that says no gets nothing until resumed, and loses nothing', () => {
  const { made, frames, feed } = reader({ scratchBytes: 1024, accept: () => false })
  assert.equal(feed(Buffer.concat([frame(3, 1), frame(4, 2), frame(100, 3).subarray(0, 50)])).length, 0)
  assert.equal(frames.length, 1)
  assert.equal(made.resume(), false)
  assert.equal(frames.length, 2)
  assert.equal(made.resume(), true)
  feed(frame(100, 3).subarray(50))
  assert.deepEqual(
    frames.map(bytes => bytes.length),
    [3, 4, 100],
  )
})

test('sizes that cannot be are rejected before anything is allocated', () => {
  for (const size of [-1, (1 << 20) + 1, 2 ** 31 - 1, 0x47455420]) {
    for (const step of [1, 1e9]) {
      const { rejected, frames, feed, made } = reader()
      const bytes = Buffer.alloc(8)
      bytes.writeInt32BE(size, 0)
      feed(bytes, step)
      assert.equal(rejected.length, 1)
      assert.match(rejected[0]!, /frame size/)
      assert.equal(frames.length, 0)
      assert.equal(made.received(0), false)
    }
  }
})

test('memory follows what has arrived, not what was declared', () => {
  const { made, feed } = reader({ maxFrameBytes: 100 << 20 })
  const bytes = Buffer.alloc(64)
  bytes.writeInt32BE(100 << 20, 0)
  feed(bytes)
  assert.equal(made.unfinished, true)
  assert.ok(made.target().length < 32 * 1024)
})
