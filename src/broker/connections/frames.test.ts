import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameMemory } from './frame-memory.ts'
import { FrameReader } from './frames.ts'
import { ReadBuffers } from './read-buffers.ts'

function frame(size: number, fill: number): Buffer {
  const bytes = Buffer.alloc(4 + size, fill)
  bytes.writeInt32BE(size, 0)
  return bytes
}

interface ReaderOptions {
  buffers?: ReadBuffers
  accept?: (frame: Buffer) => boolean
  maxFrameBytes?: number
  memory?: FrameMemory
  wake?: () => void
}

function reader(options: ReaderOptions = {}) {
  const frames: Buffer[] = []
  const rejected: string[] = []
  const made = new FrameReader(
    options.buffers ?? new ReadBuffers(64),
    options.maxFrameBytes ?? 1 << 20,
    (options.memory ?? new FrameMemory(1e9)).share(options.wake ?? (() => {})),
    {
      take(bytes) {
        frames.push(Buffer.from(bytes))
        return (options.accept?.(bytes) ?? true) ? 'next' : 'stop'
      },
      done() {},
      reject: error => rejected.push((error as Error).message),
    },
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
  const { made, frames, feed } = reader({ buffers: new ReadBuffers(1024), accept: () => false })
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

test('a large frame is read and moved in steps of a megabyte', t => {
  const { made, frames, feed } = reader({ buffers: new ReadBuffers(), maxFrameBytes: 100 << 20 })
  const copied: number[] = []
  const { copy } = Buffer.prototype
  t.mock.method(Buffer.prototype, 'copy', function (this: Buffer, ...parameters: Parameters<typeof copy>) {
    const bytes = copy.apply(this, parameters)
    copied.push(bytes)
    return bytes
  })
  for (const size of [1 << 20, (4 << 20) + 1, 20_000_000, 60 << 20]) {
    const whole = frame(size, 0)
    for (let at = 4; at + 4 <= whole.length; at += 4096) whole.writeUInt32LE(at, at)
    feed(whole)
    assert.equal(made.unfinished, false)
    assert.ok(frames.pop()!.equals(whole.subarray(4)), `${size} bytes are unchanged`)
  }
  assert.ok(Math.max(...copied) <= 1 << 20, `${Math.max(...copied)} bytes in one step`)
})

test('memory: what is held is known, and given back when frames are complete or the connection is over', () => {
  const memory = new FrameMemory(1000)
  const one = reader({ memory })
  one.feed(frame(100, 1).subarray(0, 50))
  assert.equal(memory.heldBytes, 104)
  one.feed(frame(100, 1).subarray(50))
  assert.equal(memory.heldBytes, 0)
  const other = reader({ memory, accept: () => false })
  other.feed(Buffer.concat([frame(10, 1), frame(30, 2)]))
  assert.equal(memory.heldBytes, 34, 'what waits behind a frame counts too')
  other.made.abandon()
  assert.equal(memory.heldBytes, 0)
})

test('memory: when it is full no other frame begins, and all get through in turn', () => {
  const memory = new FrameMemory(400)
  const woken: number[] = []
  const wholes = [frame(200, 1), frame(250, 2), frame(220, 3)]
  const readers = wholes.map((_, index) => reader({ memory, wake: () => woken.push(index) }))
  const [first, second, third] = readers
  first!.feed(wholes[0]!.subarray(0, 60))
  second!.feed(wholes[1]!.subarray(0, 60))
  assert.ok(memory.full)
  const left = third!.feed(wholes[2]!.subarray(0, 60))
  assert.equal(left.length, 0, 'what came is kept')
  assert.equal(third!.made.unfinished, false)
  first!.feed(wholes[0]!.subarray(60))
  assert.deepEqual(woken, [2])
  assert.equal(third!.made.resume(), true)
  third!.feed(wholes[2]!.subarray(60))
  second!.feed(wholes[1]!.subarray(60))
  assert.deepEqual(
    readers.map(({ frames }) => frames.map(bytes => bytes.length)),
    [[200], [250], [220]],
  )
  assert.deepEqual(third!.frames[0], wholes[2]!.subarray(4))
  assert.equal(memory.heldBytes, 0)
})

test('memory: a frame that needs more than available gets it if no other frame is being received', () => {
  const memory = new FrameMemory(20_000)
  const whole = frame(200_000, 7)
  const one = reader({ memory, buffers: new ReadBuffers(5000) })
  assert.equal(one.feed(whole).length, 0, 'alone it is never stopped')
  assert.deepEqual(one.frames, [whole.subarray(4)])
  const woken: string[] = []
  const slow = reader({ memory, buffers: new ReadBuffers(5000), wake: () => woken.push('slow') })
  const late = reader({ memory, buffers: new ReadBuffers(5000), wake: () => woken.push('late') })
  slow.feed(whole.subarray(0, 4000))
  const rest = late.feed(whole)
  assert.ok(rest.length > 0, 'somebody else is ahead')
  slow.made.abandon()
  assert.deepEqual(woken, ['late'])
  assert.equal(late.made.resume(), true)
  assert.equal(late.feed(rest).length, 0)
  assert.deepEqual(late.frames, [whole.subarray(4)])
  assert.equal(memory.heldBytes, 0)
})

test('memory: beyond the limit a frame waits for requests that end by themselves, but not for those that wait for others', () => {
  const memory = new FrameMemory(1000)
  const woken: string[] = []
  const whole = frame(200, 1)
  const busy = reader({ memory })
  const late = reader({ memory, wake: () => woken.push('late') })
  busy.made.processes(1200, 1)
  late.feed(whole.subarray(0, 60))
  assert.equal(late.made.unfinished, false, 'it waits')
  busy.made.processes(-1200, -1)
  assert.deepEqual(woken, ['late'])
  assert.equal(late.made.resume(), true)
  late.feed(whole.subarray(60))
  assert.deepEqual(late.frames, [whole.subarray(4)])
  busy.made.processes(1200, 0)
  late.feed(whole)
  assert.equal(late.frames.length, 2)
  // What a connection that has ended is still waiting for holds no memory.
  busy.made.processes(-1200, 1)
  busy.made.abandon()
  const other = reader({ memory })
  other.made.processes(1200, 0)
  late.feed(whole)
  assert.equal(late.frames.length, 3)
})

test('memory: incomplete large frames do not block small ones', () => {
  const memory = new FrameMemory(200_000)
  const buffers = new ReadBuffers(64)
  const large = [1, 2].map(fill => ({ fill, got: reader({ memory, buffers, maxFrameBytes: 1e6 }) }))
  for (const { fill, got } of large) got.feed(frame(900_000, fill).subarray(0, 60_000))
  assert.ok(memory.full)
  const small = reader({ memory, buffers })
  assert.equal(small.feed(frame(150, 3).subarray(0, 50)).length, 0)
  assert.equal(small.made.unfinished, true)
  assert.equal(small.feed(frame(150, 3).subarray(50)).length, 0)
  assert.deepEqual(small.frames, [frame(150, 3).subarray(4)])
  const another = reader({ memory, buffers })
  another.feed(frame(2_000, 4).subarray(0, 50))
  assert.equal(another.made.unfinished, false, 'it is not small, and waits')
  // Small ones have no more room than the large ones either.
  const crowd = Array.from({ length: 1_000 }, () => reader({ memory, buffers }))
  for (const { feed } of crowd) feed(frame(190, 5).subarray(0, 100))
  assert.ok(memory.heldBytes < 2 * 200_000 + 1_000 * 104, `${memory.heldBytes}`)
  assert.ok(crowd.some(({ made }) => !made.unfinished) && crowd.some(({ made }) => made.unfinished))
})

test('memory: any mixture of readers, sizes and pauses delivers every frame whole and in order', () => {
  let seed = 42
  const random = (below: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff
    return (seed >>> 12) % below
  }
  const memory = new FrameMemory(50_000)
  const buffers = new ReadBuffers(8192)
  const peers = Array.from({ length: 20 }, () => {
    const sizes = Array.from({ length: 15 }, () => random(random(4) === 0 ? 60_000 : 200))
    const stream = Buffer.concat(sizes.map((size, index) => frame(size, index + 1)))
    const mood = { paused: false }
    return { sizes, stream, mood, got: reader({ memory, buffers, accept: () => !mood.paused }) }
  })
  for (let round = 0; peers.some(({ stream }) => stream.length > 0); round++) {
    assert.ok(round < 100_000, 'somebody waits for ever')
    const peer = peers[random(peers.length)]!
    peer.mood.paused = random(5) === 0
    if (!peer.got.made.resume()) continue
    const step = 1 + random(7000)
    const left = peer.got.feed(peer.stream.subarray(0, step), 1 + random(3000))
    peer.stream = peer.stream.subarray(Math.min(step, peer.stream.length) - left.length)
    assert.ok(memory.heldBytes < 50_000 + 70_000 + peers.length * 16_384, `${memory.heldBytes}`)
  }
  for (const peer of peers) {
    peer.mood.paused = false
    while (!peer.got.made.resume());
    assert.deepEqual(
      peer.got.frames.map(bytes => bytes.length),
      peer.sizes,
    )
    assert.ok(peer.got.frames.every((bytes, index) => bytes.every(byte => byte === index + 1)))
  }
  assert.equal(memory.heldBytes, 0)
})

test('a frame that is not taken comes again, whole and before what follows it, wherever it lay', () => {
  for (const size of [20, 59, 200, 70_000])
    for (const step of [1, 7, 1e9]) {
      let refuse = true
      const frames: Buffer[] = []
      const memory = new FrameMemory(1e9)
      const made = new FrameReader(
        new ReadBuffers(64),
        1 << 20,
        memory.share(() => {}),
        {
          take(bytes) {
            if (refuse && bytes.length === size) return 'later'
            frames.push(Buffer.from(bytes))
            return 'next'
          },
          done() {},
          reject: error => assert.fail(error as Error),
        },
      )
      const stream = Buffer.concat([frame(5, 1), frame(size, 2), frame(6, 3), frame(100, 4)])
      let at = 0
      const feed = () => {
        for (let open = true; open && at < stream.length; ) {
          const copied = stream.copy(made.target(), 0, at, Math.min(stream.length, at + step))
          at += copied
          open = made.received(copied)
        }
      }
      feed()
      assert.equal(made.resume(), false)
      assert.deepEqual([frames.map(({ length }) => length), made.unfinished], [[5], false])
      assert.ok(memory.heldBytes >= size)
      refuse = false
      if (made.resume()) feed()
      assert.deepEqual(
        frames.map(bytes => [bytes.length, bytes[0]]),
        [
          [5, 1],
          [size, 2],
          [6, 3],
          [100, 4],
        ],
      )
    }
})

test('frames stay unchanged until the end of the read, however they are split over reads', () => {
  const buffers = new ReadBuffers(1000)
  for (const sizes of [Array(50).fill(90), Array(20).fill(300), [900, 5, 995, 1, 2000, 4, 996, 997]])
    for (const step of [1, 77, 400, 1e9]) {
      const borrowed: { bytes: Buffer; fill: number }[] = []
      let taken = 0
      const own = new FrameReader(
        buffers,
        1 << 20,
        new FrameMemory(1e9).share(() => {}),
        {
          take(bytes) {
            borrowed.push({ bytes, fill: ++taken })
            return 'next'
          },
          done() {
            for (const { bytes, fill } of borrowed.splice(0)) assert.ok(bytes.every(byte => byte === fill))
          },
          reject: error => assert.fail(error as Error),
        },
      )
      const stream = Buffer.concat(sizes.map((size: number, index: number) => frame(size, index + 1)))
      for (let at = 0; at < stream.length; ) {
        const copied = stream.copy(own.target(), 0, at, Math.min(stream.length, at + step))
        at += copied
        assert.equal(own.received(copied), true)
      }
      assert.deepEqual([taken, borrowed.length], [sizes.length, 0])
    }
})

test('more connections with incomplete frames than large buffers: all make progress', () => {
  const buffers = new ReadBuffers()
  const readers = Array.from({ length: 200 }, () => reader({ buffers }))
  const large = frame(100_000, 9)
  const before = process.memoryUsage().arrayBuffers
  for (const { feed } of readers) feed(large.subarray(0, 50))
  assert.ok(process.memoryUsage().arrayBuffers - before < 64 * (256 << 10) + 136 * (20 << 10) + (4 << 20))
  for (const { feed } of readers) feed(large.subarray(50, 99_000))
  for (const { feed, frames } of readers) {
    feed(Buffer.concat([large.subarray(99_000), frame(7, 1)]))
    assert.deepEqual(frames, [large.subarray(4), frame(7, 1).subarray(4)])
  }
})
