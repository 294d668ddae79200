/** `node pages-server.ts PORT RECORDS`: an endpoint that gives records behind a number, 500 at a time, the newest of the last answer again, and now and then an error. */
import { createServer } from 'node:http'

const [port, records] = process.argv.slice(2).map(Number) as [number, number]
let asked = 0

createServer((request, response) => {
  asked++
  if (asked % 17 === 0) return void response.writeHead(503, { 'retry-after': '0' }).end('busy')
  if (asked % 23 === 0) return void response.destroy()
  const after = Number(new URL(request.url!, 'http://h').searchParams.get('after'))
  // Inclusive, as many endpoints are.
  const items = Array.from({ length: Math.max(0, Math.min(500, records - after)) }, (_, at) => ({
    id: after + at,
    text: `Grüße ${after + at}`,
  }))
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ items }))
}).listen(port, '127.0.0.1')
