/** Runs command lines in one process of their own; see `src/cli/worker.testing.ts`. */
import { fork } from 'node:child_process'
import type { Outcome } from './cli-scenarios.ts'

export interface Order {
  id: number
  args: readonly string[]
  env: Readonly<Record<string, string>>
  input: string
}

export type Answer = Outcome & { id: number }

export interface Runner {
  run(args: readonly string[], env: Readonly<Record<string, string>>, input?: string): Promise<Outcome>
  close(): void
}

export function startRunner(): Runner {
  const worker = fork(new URL('../../src/cli/worker.testing.ts', import.meta.url))
  const waiting = new Map<number, PromiseWithResolvers<Outcome>>()
  let ended = false
  let next = 0
  worker.on('message', ({ id, ...outcome }: Answer) => {
    waiting.get(id)!.resolve(outcome)
    waiting.delete(id)
  })
  worker.on('exit', code => {
    ended = true
    for (const each of waiting.values()) each.reject(new Error(`the process of the command line ended with ${code}`))
  })
  return {
    run(args, env, input = '') {
      const answer = Promise.withResolvers<Outcome>()
      if (ended) answer.reject(new Error('the process of the command line has ended'))
      else {
        waiting.set(next, answer)
        worker.send({ id: next++, args, env, input } satisfies Order)
      }
      return answer.promise
    },
    close: () => void worker.kill(),
  }
}
