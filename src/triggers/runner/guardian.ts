/**
 * Ends the runners of this process when this process ends without having ended them, by `kill -9` for one: a runner notices by itself that nobody asks it any
 * more, but not while its function runs in a loop, or is paused.
 *
 * A shell reads which runners there are, and kills them when there is nothing more to read, which is when this process has ended, however it has.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'

const script = `all=
while read -r sign pid; do
  rest=
  for each in $all; do [ "$each" = "$pid" ] || rest="$rest $each"; done
  [ "$sign" = + ] && rest="$rest $pid"
  all=$rest
done
for each in $all; do kill -9 "$each" 2>/dev/null; done`

const guarded = new Set<number>()
let guardian: ChildProcess | null = null

export function guard(pid: number): void {
  guarded.add(pid)
  if (guardian === null) begin()
  else guardian.stdin?.write(`+ ${pid}\n`)
}

/** It has ended. */
export function unguard(pid: number): void {
  guarded.delete(pid)
  guardian?.stdin?.write(`- ${pid}\n`)
}

function begin(): void {
  // In a session of its own, so that it outlives what ends all of ours.
  const shell = spawn('/bin/sh', ['-c', script], { env: {}, cwd: '/', stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  guardian = shell
  const gone = () => {
    if (guardian === shell) guardian = null
  }
  shell.on('error', gone)
  shell.on('exit', gone)
  // Where this process may open no more files, there is no pipe: with the next runner it is tried again.
  const input = shell.stdin as Socket | undefined
  input?.on('error', gone)
  shell.unref()
  input?.unref()
  for (const pid of guarded) input?.write(`+ ${pid}\n`)
}
