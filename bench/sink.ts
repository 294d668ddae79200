/**
 * The floor under the produce rows: the least that a Node process pays to take bytes from a socket and put them into a file, without
 * looking at them. Reads gather in one buffer, which is written when it is full, because fewer and larger writes cost least.
 * Run by floor.ts: `node bench/sink.ts PORT FILE WARMUP_BYTES`; prints the bytes after the warm-up and their CPU seconds.
 */
import { openSync, writeSync } from 'node:fs'
import { connect } from 'node:net'

const [port, file, warmup] = process.argv.slice(2)
const fd = openSync(file!, 'w')
const gathered = Buffer.allocUnsafeSlow(256 * 1024)
let filled = 0
let bytes = 0
let startBytes = 0
let start: NodeJS.CpuUsage | undefined

function take(length: number): boolean {
  filled += length
  bytes += length
  if (filled === gathered.length) flush()
  if (start === undefined && bytes >= Number(warmup)) {
    start = process.cpuUsage()
    startBytes = bytes
  }
  return true
}

function flush(): void {
  writeSync(fd, gathered, 0, filled)
  filled = 0
}

const onread = { buffer: () => gathered.subarray(filled), callback: take }
connect({ host: '127.0.0.1', port: Number(port), onread })
  .resume()
  .once('end', () => {
    flush()
    const { user, system } = process.cpuUsage(start)
    process.stdout.write(`${JSON.stringify({ bytes: bytes - startBytes, cpuSeconds: (user + system) / 1e6 })}\n`)
  })
