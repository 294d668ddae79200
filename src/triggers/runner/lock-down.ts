/**
 * What Node's permission model leaves open to a function, and what no function needs: signals to other processes of the same user (SIGUSR1 would open the
 * debugger of the process that started this one), flags of V8 that write files, sockets in the file system, other processes' priorities.
 *
 * It takes these ways away from the program that Node runs. It is one wall of several, not a proof: docs/security.md says what is left.
 */

/** Runs in a runner before the function is loaded, and refers to nothing outside of itself. */
export function lockDown(): void {
  const refused = (what: string) =>
    function refuse() {
      throw Object.assign(new Error(`a function cannot ${what}`), { code: 'ERR_ACCESS_DENIED' })
    }
  const take = (from: object, what: string, ...names: readonly string[]) => {
    for (const name of names)
      if (name in from) Object.defineProperty(from, name, { value: refused(what), configurable: true, writable: true })
  }
  const builtin = process.getBuiltinModule
  take(process, 'send signals to processes', 'kill', '_kill', '_debugProcess', '_debugEnd')
  take(process, 'change who it is', 'setuid', 'seteuid', 'setgid', 'setegid', 'setgroups', 'initgroups', 'umask')
  take(process, 'use the inner parts of Node', 'binding', '_linkedBinding', '_getActiveHandles', '_getActiveRequests')
  take(builtin('node:os'), 'change priorities', 'setPriority')
  take(builtin('node:v8'), 'change flags of V8', 'setFlagsFromString', 'setHeapSnapshotNearHeapLimit')
  take(builtin('node:child_process'), 'start processes', 'ChildProcess')
  // Options with a path name a socket in the file system; a getter could tell another one each time.
  const { Server, Socket } = builtin('node:net')
  const names = (value: unknown): value is { path: unknown } => typeof value === 'object' && value !== null && 'path' in value
  for (const [type, method] of [
    [Socket, 'connect'],
    [Server, 'listen'],
  ] as const) {
    const before = type.prototype[method] as (...args: unknown[]) => unknown
    const after = function (this: unknown, ...args: unknown[]) {
      const list = Array.isArray(args[0]) ? args[0] : args
      const [first] = list
      if ((typeof first === 'string' && !(Number(first) >= 0)) || (names(first) && typeof first.path === 'string'))
        refused('use sockets in the file system')()
      if (names(first)) list[0] = Object.create(first, { path: { value: undefined } })
      return Reflect.apply(before, this, args)
    }
    Object.defineProperty(type.prototype, method, { value: after, configurable: true, writable: true })
  }
  builtin('node:module').syncBuiltinESMExports()
}
