import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnswerReader } from './answer-reader.ts'
import type { ObjectError } from './object-error.ts'

/** Pieces lie in a buffer that is written over afterwards, as that of a connection is. */
function read(answer: string, splits: readonly number[], mostBytes = 1_000, parts?: readonly number[]) {
  const reader = new AnswerReader(mostBytes, parts)
  const all = Buffer.from(answer, 'latin1')
  const page = Buffer.alloc(all.length)
  let complete = false
  let from = 0
  for (const to of [...splits, all.length]) {
    assert.equal(complete, false, 'complete before the end')
    const length = all.copy(page, 0, from, to)
    if (length > 0) complete = reader.take(page.subarray(0, length))
    page.fill('?')
    from = to
  }
  return { reader, complete: complete || reader.end() }
}

const content = 'the content\r\n\r\nof an object'
const length = `content-length: ${content.length}\r\n`
const chunks = `4;name=value\r\n${content.slice(0, 4)}\r\n${(content.length - 4).toString(16)}\r\n${content.slice(4)}\r\n0\r\ntrailer: x\r\n\r\n`
const chunked = 'Transfer-Encoding: chunked\r\n'

test('an answer is read however it is cut, by its length, in chunks, or to the end of the connection', () => {
  const answers: [answer: string, status: number, body: string, kept: boolean][] = [
    [`HTTP/1.1 206 Partial Content\r\n${length}ETag:  "x" \r\n\r\n${content}`, 206, content, true],
    [
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: y\r\n\r\nHTTP/1.1 200 OK\r\n${length}ETag: "x"\r\n\r\n${content}`,
      200,
      content,
      true,
    ],
    [`HTTP/1.1 503 Slow Down\r\netag: "x"\r\n${chunked}\r\n${chunks}`, 503, content, true],
    [`HTTP/1.1 404\r\netag: "x"\r\ncontent-length: 7\r\n${chunked}\r\n0\r\n\r\n`, 404, '', true],
    [`HTTP/1.1 200 OK\r\netag: "x"\r\nConnection: close\r\n${length}\r\n${content}`, 200, content, false],
    [`HTTP/1.0 200 OK\r\netag: "x"\r\n${length}\r\n${content}`, 200, content, false],
    [`HTTP/1.1 200 OK\r\netag: "x"\r\nconnection: close\r\n\r\n${content}`, 200, content, false],
    ['HTTP/1.1 204 No Content\r\netag: "x"\r\n\r\n', 204, '', true],
    ['HTTP/1.1 416 Range\r\netag: "x"\r\ncontent-length: 0\r\n\r\n', 416, '', true],
  ]
  for (const [answer, status, body, kept] of answers) {
    const every = Array.from(answer, (_, at) => at)
    for (const splits of [[], ...every.map(at => [at]), every]) {
      const { reader, complete } = read(answer, splits)
      assert.equal(complete, true, answer)
      const response = reader.response()
      assert.deepEqual([response.status, String(response.body), response.headers['etag']], [status, body, '"x"'])
      assert.equal(reader.keepsConnection, kept, answer)
    }
  }
})

test('content of the expected length is divided into parts, other content is not', () => {
  const parts = [1, 10, content.length - 11]
  const answer = (status: number, text = content) => `HTTP/1.1 ${status} OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`
  const every = Array.from(answer(206), (_, at) => at)
  for (const splits of [[], ...every.map(at => [at]), every]) {
    const { reader, complete } = read(answer(206), splits, 1_000, parts)
    const { body, parts: divided } = reader.response()
    assert.deepEqual([complete, reader.keepsConnection, body.length], [true, true, 0])
    assert.deepEqual(divided?.map(String), [content[0], content.slice(1, 11), content.slice(11)])
    assert.equal(new Set(divided.map(each => each.buffer)).size, 3)
  }
  assert.equal(read(`${answer(206)}HTTP`, [], 1_000, parts).reader.keepsConnection, false)
  for (const text of [answer(404), answer(206, content.slice(1)), answer(200, `${content}.`)]) {
    const response = read(text, [], 1_000, parts).reader.response()
    assert.deepEqual([response.parts, String(response.body)], [undefined, text.slice(text.indexOf('\r\n\r\n') + 4)])
  }
})

test('what breaks off is not complete, and what comes behind an answer ends the connection', () => {
  const whole = [`HTTP/1.1 200 OK\r\n${length}\r\n${content}`, `HTTP/1.1 200 OK\r\n${chunked}\r\n${chunks}`]
  for (const answer of whole) {
    for (let at = 0; at < answer.length; at++) assert.equal(read(answer.slice(0, at), []).complete, false)
    const { reader, complete } = read(`${answer}HTTP`, [])
    assert.deepEqual([complete, reader.keepsConnection, String(reader.response().body)], [true, false, content])
  }
})

test('what is no answer, or a longer one than allowed, is refused', () => {
  const refused = [
    'SSH-2.0-OpenSSH\r\n\r\n',
    'HTTP/2 200\r\n\r\n',
    'HTTP/1.1 99\r\n\r\n',
    'HTTP/1.1 101 Switching\r\n\r\n',
    'HTTP/1.1 200 OK\r\nno colon\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 0x10\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n',
    `HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(1_001)}`,
    `HTTP/1.1 200 OK\r\n${chunked}\r\n3e9\r\n`,
    `HTTP/1.1 200 OK\r\n${chunked}\r\nffffffffff\r\n`,
    `HTTP/1.1 200 OK\r\n${chunked}\r\n-1\r\n`,
    `HTTP/1.1 200 OK\r\n${chunked}\r\n1\r\nxy\r\n`,
    `HTTP/1.1 200 OK\r\n${chunked}\r\n1${'0'.repeat(70_000)}`,
    `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(20_000)}\r\n`,
    `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(20_000)}`,
  ]
  for (const answer of refused)
    assert.throws(
      () => read(answer, []),
      (error: ObjectError) => error.code === 'BadAnswer' && !error.retriable,
      answer.slice(0, 60),
    )
})
