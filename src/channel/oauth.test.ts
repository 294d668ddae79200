import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { realSystem } from '../base.ts'
import { bearerToken } from './oauth.ts'

test('an endpoint that begins an answer and does not end it gives no token', async t => {
  const server = createServer((_, response) => void response.writeHead(200).write('{"access_token":'))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as { port: number }
  const system = realSystem()
  const timers = { ...system.timers, after: (ms: number, run: () => void) => system.timers.after(ms / 20, run) }
  const token = bearerToken(
    {
      'sasl.oauthbearer.token.endpoint.url': `http://127.0.0.1:${port}/`,
      'sasl.oauthbearer.client.credentials.client.id': 'me',
      'sasl.oauthbearer.client.credentials.client.secret': 'secret',
    },
    new Map(),
    { ...system, timers },
  ) as () => Promise<string>
  const late = new Promise<never>((_, reject) => setTimeout(reject, 5_000, new Error('it is still waited for')).unref())
  await assert.rejects(Promise.race([token(), late]), { message: `no token from http://127.0.0.1:${port}: no answer within 10 s` })
})
