/**
 * The floor under the produce rows: the least that a Node process pays to take bytes from a socket and put them into a file, without
 * looking at them. Run by floor.ts: `node bench/sink.ts plain|best PORT FILE WARMUP_BYTES`; prints the bytes after the warm-up and their
 * CPU seconds.
 *
 * `plain` is what everybody writes: `data` events (a new buffer for each read) and fs.writeSync. `best` reads into one buffer that is
 * used again, and writes it when it is full.
 */
import { openSync, writeSync } from 'node:fs'
import { connect } from 'node:net'

const [kind, port, file, warmup] = process.argv.slice(2)
const fd = openSync(file!, 'w')
let bytes = 0
let startBytes = 0
let start: NodeJS.CpuUsage | undefined

function count(length: number): void {
  bytes += length
  if (start !== undefined || bytes < Number(warmup)) return
  start = process.cpuUsage()
  startBytes = bytes
}

const address = { host: '127.0.0.1', port: Number(port) }
const socket = kind === 'best' ? best() : connect(address).on('data', plain)
socket.once('end', () => {
  const { user, system } = process.cpuUsage(start)
  process.stdout.write(`${JSON.stringify({ bytes: bytes - startBytes, cpuSeconds: (user + system) / 1e6 })}\n`)
})

function plain(data: Buffer): void {
  writeSync(fd, data)
  count(data.length)
}

function best() {
  const buffer = Buffer.allocUnsafe(256 * 1024)
  const callback = (length: number) => {
    writeSync(fd, buffer, 0, length)
    count(length)
    return true
  }
  return connect({ ...address, onread: { buffer, callback } }).resume()
}
