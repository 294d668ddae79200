/** What an endpoint answers may be what it was sent, and Fetch tells headers in its errors. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { test } from 'node:test'
import { realSystem } from '../base.ts'
import { openCallee, Unavailable } from './callee.ts'
import { RunnerPool } from './runner/pool.ts'
import { FunctionError } from './runner/process.ts'

const system = realSystem()
const info = { requestId: 'r', functionName: 'f', functionVersion: '1', attempt: 1 }

async function failureOf(url: string, headers: Record<string, string>): Promise<unknown> {
  const pool = new RunnerPool({ system, most: 1 })
  const callee = openCallee({ url, headers, timeoutMs: 5_000 }, { id: 'f', pool, system, onOutput() {} })
  return callee
    .call('{}', 'application/json', info, () => {})
    .then(
      () => assert.fail('the call has succeeded'),
      (error: unknown) => error,
    )
}

test('secret headers are not in errors', async () => {
  const server = createServer((request, response) => {
    const { authorization = '', 'x-api-key': key, accept } = request.headers
    response.writeHead(500).end(JSON.stringify({ token: authorization.split(' ')[1], authorization, key, accept }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  try {
    const told = await failureOf(url, { Authorization: 'Bearer geheim-1', 'X-Api-Key': 'geheim-2 ', accept: 'text/x' })
    assert.ok(told instanceof FunctionError)
    assert.equal(told.message, '{"token":"[hidden]","authorization":"[hidden]","key":"[hidden]","accept":"text/x"}')
    const wrong = await failureOf(url, { Authorization: 'geheim-3\nx' })
    assert.ok(wrong instanceof Unavailable)
    assert.match(wrong.message, /cannot be reached: .*\[hidden\]/)
    assert.doesNotMatch(`${wrong.message} ${wrong.stack} ${String((wrong.cause as Error).stack)}`, /geheim/)
  } finally {
    server.close()
    server.closeAllConnections()
  }
})

test('what answers something else than HTTP has failed, and is not away', async () => {
  const server = createTcpServer(socket => void socket.end('220 mail ready\r\n'))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    const told = await failureOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}/?key=geheim`, {})
    assert.ok(told instanceof FunctionError, String(told))
    assert.deepEqual([told.kind, told.type], ['output', 'BadResponse'])
    assert.doesNotMatch(told.message, /geheim/)
  } finally {
    server.close()
  }
})
