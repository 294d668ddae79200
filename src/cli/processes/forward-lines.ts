/** Forwards what a process writes to the one writer of logs, in whole lines; JSON lines say which broker wrote them. */
import type { Readable } from 'node:stream'
import type { LineSink } from '../../base.ts'

/** What is longer is cut. */
const longestLine = 1 << 20

export function forwardLines(from: Readable, brokerId: number, sink: LineSink): void {
  const forward = (line: string) => {
    if (line !== '') sink.write(`${withBroker(line, brokerId)}\n`)
  }
  let rest = ''
  // Characters of several bytes are not cut.
  from.setEncoding('utf8')
  from.on('data', (text: string) => {
    const known = rest + text
    let at = 0
    for (let end = known.indexOf('\n'); end !== -1; end = known.indexOf('\n', at)) {
      forward(known.slice(at, end))
      at = end + 1
    }
    rest = known.slice(at, at + longestLine)
  })
  from.on('end', () => forward(rest))
}

function withBroker(line: string, brokerId: number): string {
  if (!line.startsWith('{') || !line.endsWith('}')) return line
  return `{"broker":${brokerId}${line === '{}' ? '' : ','}${line.slice(1)}`
}
