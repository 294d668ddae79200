/**
 * Reads one answer of HTTP/1.1 from what a connection receives, piece by piece. The content goes into one buffer of the declared size, or into the
 * parts that it is to be divided into. Nothing is kept of a piece: its buffer is used again for the next one.
 */
import { ObjectError } from './object-error.ts'
import type { HttpResponse } from './transport.ts'

const mostHeadBytes = 64 * 1024
const mostLineBytes = 1024
const endOfHead = '\r\n\r\n'
const noBytes = Buffer.alloc(0)

export class AnswerReader {
  readonly #mostBytes: number
  readonly #partBytes: readonly number[]
  /** What was received of the status line and the headers. */
  #head: Buffer = noBytes
  #status = 0
  #headers: Record<string, string> = {}
  /** By length, in chunks, or up to the end of the connection. */
  #framing: 'length' | 'chunks' | 'end' = 'end'
  #content: Buffer = noBytes
  /** Where the content is divided. `#content` is then the one that is being filled. */
  #parts: Buffer[] | null = null
  #part = 0
  /** Of #content, where its length was declared. */
  #received = 0
  /** Otherwise: what was received so far. */
  #pieces: Buffer[] = []
  #pieceBytes = 0
  #isComplete = false
  #isLast = false

  constructor(mostBytes: number, partBytes: readonly number[] = []) {
    this.#mostBytes = mostBytes
    this.#partBytes = partBytes
  }

  /** Nothing was received yet. */
  get isFresh(): boolean {
    return this.#status === 0 && this.#head.length === 0
  }

  /** Another request may follow on this connection. */
  get keepsConnection(): boolean {
    return this.#isComplete && !this.#isLast
  }

  /** Whether the answer is complete. Throws ObjectError. */
  take(bytes: Buffer): boolean {
    const begin = this.#status === 0 ? this.#takeHead(bytes) : 0
    if (begin >= 0) this.#isComplete = this.#takeContent(begin === 0 ? bytes : bytes.subarray(begin))
    return this.#isComplete
  }

  /** The connection ended: whether that completes the answer. */
  end(): boolean {
    if (this.#status === 0 || this.#framing !== 'end') return false
    this.#content = Buffer.concat(this.#pieces, this.#pieceBytes)
    this.#isComplete = true
    return true
  }

  response(): HttpResponse {
    const [status, headers] = [this.#status, this.#headers]
    return this.#parts === null ? { status, headers, body: this.#content } : { status, headers, body: noBytes, parts: this.#parts }
  }

  /** Where the content begins in these bytes; -1 if they are still of the head. */
  #takeHead(bytes: Buffer): number {
    const all = this.#head.length === 0 ? bytes : Buffer.concat([this.#head, bytes])
    for (let from = 0; ; ) {
      const end = all.indexOf(endOfHead, from)
      if ((end < 0 ? all.length : end) - from > mostHeadBytes) throw bad(`the head of the answer is longer than ${mostHeadBytes} bytes`)
      if (end < 0) {
        this.#head = Buffer.from(all.subarray(from))
        return -1
      }
      const head = all.toString('latin1', from, end)
      from = end + endOfHead.length
      const status = statusOf(head)
      // 100 and the like are only news of the answer to come.
      if (status < 200) continue
      this.#begin(status, head)
      return from - (all.length - bytes.length)
    }
  }

  #begin(status: number, head: string): void {
    this.#status = status
    this.#headers = headersOf(head)
    this.#isLast = !head.startsWith('HTTP/1.1') || /\bclose\b/i.test(this.#headers['connection'] ?? '')
    if (/\bchunked\b/i.test(this.#headers['transfer-encoding'] ?? '')) {
      this.#framing = 'chunks'
      return
    }
    const declared = status === 204 || status === 304 ? '0' : this.#headers['content-length']
    if (declared === undefined) return
    if (!/^\d{1,15}$/.test(declared)) throw bad(`the answer has the content-length ${declared}`)
    if (Number(declared) > this.#mostBytes) throw this.#tooLong()
    this.#framing = 'length'
    const isDivided = status < 300 && this.#partBytes.length > 0 && sumOf(this.#partBytes) === Number(declared)
    if (isDivided) this.#parts = this.#partBytes.map(bytes => Buffer.allocUnsafeSlow(bytes))
    this.#content = this.#parts?.[0] ?? Buffer.allocUnsafeSlow(Number(declared))
  }

  #takeContent(bytes: Buffer): boolean {
    if (this.#framing === 'length') {
      for (let at = 0; ; ) {
        const copied = bytes.copy(this.#content, this.#received, at)
        this.#received += copied
        at += copied
        const next = this.#received === this.#content.length ? this.#parts?.[this.#part + 1] : undefined
        if (next === undefined) {
          // More than was declared: nothing that comes on this connection can be trusted.
          if (at < bytes.length) this.#isLast = true
          return this.#received === this.#content.length
        }
        this.#part++
        this.#content = next
        this.#received = 0
      }
    }
    this.#pieces.push(Buffer.from(bytes))
    this.#pieceBytes += bytes.length
    if (this.#framing === 'end') {
      if (this.#pieceBytes > this.#mostBytes) throw this.#tooLong()
      return false
    }
    // With the sizes of its chunks, and trailers.
    if (this.#pieceBytes > 2 * this.#mostBytes + mostHeadBytes) throw this.#tooLong()
    const raw = Buffer.concat(this.#pieces, this.#pieceBytes)
    this.#pieces = [raw]
    const content = this.#dechunked(raw)
    if (content === null) return false
    this.#content = content
    return true
  }

  /** null: the last chunk is not here yet. */
  #dechunked(raw: Buffer): Buffer | null {
    const chunks: Buffer[] = []
    let bytes = 0
    for (let at = 0; ; ) {
      const line = raw.indexOf('\r\n', at)
      const end = line < 0 ? raw.length : line
      if (end - at > mostLineBytes) throw bad(`the size of a chunk of the answer has more than ${mostLineBytes} bytes`)
      if (line < 0) return null
      const size = sizeOf(raw.toString('latin1', at, end))
      const begin = line + 2
      if (size === 0) return this.#endOfChunks(raw, line) ? Buffer.concat(chunks, bytes) : null
      bytes += size
      if (bytes > this.#mostBytes) throw this.#tooLong()
      if (raw.length < begin + size + 2) return null
      if (raw.toString('latin1', begin + size, begin + size + 2) !== '\r\n') throw bad('a chunk of the answer does not end where it should')
      chunks.push(raw.subarray(begin, begin + size))
      at = begin + size + 2
    }
  }

  /** Behind the line of the last chunk, which has no bytes, come trailers and an empty line. */
  #endOfChunks(raw: Buffer, line: number): boolean {
    const end = raw.indexOf(endOfHead, line)
    if (end < 0) return false
    if (end + endOfHead.length < raw.length) this.#isLast = true
    return true
  }

  #tooLong(): ObjectError {
    return bad(`the answer (status ${this.#status}) is longer than ${this.#mostBytes} bytes`)
  }
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0)
}

function statusOf(head: string): number {
  const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |\r|$)/.exec(head)?.[1] ?? Number.NaN)
  if (!(status >= 100) || status === 101) throw bad(`what came is no answer: ${JSON.stringify(head.slice(0, 100))}`)
  return status
}

function headersOf(head: string): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':')
    if (colon <= 0) throw bad(`the answer has the header ${JSON.stringify(line.slice(0, 100))}`)
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (name === 'content-length' && headers[name] !== undefined && headers[name] !== value) throw bad('the answer has two lengths')
    headers[name] = value
  }
  return headers
}

function sizeOf(line: string): number {
  const [size] = line.split(';')
  if (!/^[0-9a-fA-F]{1,8}$/.test(size!.trim())) throw bad(`a chunk of the answer has the size ${JSON.stringify(line.slice(0, 20))}`)
  return Number.parseInt(size!, 16)
}

function bad(message: string): ObjectError {
  return new ObjectError(message, 'BadAnswer', null, false)
}
