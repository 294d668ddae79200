/**
 * What Node's permission model leaves open to a function, and what no function needs: signals to other processes of the same user (SIGUSR1 would open the
 * debugger of the process that started this one), flags of V8 and traces that write files, sockets in the file system, other processes' priorities, which files
 * there are.
 *
 * It takes these ways away from Node's own objects, where all that leads there has to pass. It is one wall of several, not a proof: docs/security.md says what
 * is left.
 */
import type { Socket } from 'node:net'

/** Runs in a runner before the function is loaded, and refers to nothing outside of itself. `channel`: to the process that has started it. */
export function lockDown(channel: Socket): void {
  const refused = (what: string) =>
    function refuse() {
      throw Object.assign(new Error(`a function cannot ${what}`), { code: 'ERR_ACCESS_DENIED' })
    }
  const take = (from: object, what: string, ...names: readonly string[]) => {
    for (const name of names)
      if (name in from) Object.defineProperty(from, name, { value: refused(what), configurable: true, writable: true })
  }
  /** Of the handle behind one of Node's objects, which knows the system. */
  const handleOf = (owner: object) => Object.getPrototypeOf((owner as { _handle: object })._handle) as object
  const builtin = process.getBuiltinModule
  take(process, 'send signals to processes', 'kill', '_kill', '_debugProcess', '_debugEnd')
  take(process, 'change who it is', 'setuid', 'seteuid', 'setgid', 'setegid', 'setgroups', 'initgroups', 'umask')
  take(process, 'use the inner parts of Node', 'binding', '_linkedBinding')
  take(builtin('node:os'), 'change priorities', 'setPriority')
  take(builtin('node:v8'), 'change flags of V8', 'setFlagsFromString', 'setHeapSnapshotNearHeapLimit')
  take(builtin('node:trace_events'), 'write traces', 'createTracing')
  const { ChildProcess } = builtin('node:child_process')
  take(handleOf(new (ChildProcess as new () => object)()), 'start processes', 'spawn', 'kill')
  take(handleOf(channel), 'use sockets in the file system', 'connect', 'bind', 'fchmod')
  // Which files there are, and where links lead, is told without the model being asked.
  take(builtin('node:fs'), 'look at files', 'realpath', 'realpathSync')
  const loader = builtin('node:module')
  loader.registerHooks({
    resolve(specifier, context, next) {
      if (loader.isBuiltin(specifier) || specifier.startsWith('data:')) return next(specifier, context)
      throw Object.assign(new Error(`a function is one file: it can import modules of Node, and not "${specifier}"`), {
        code: 'ERR_ACCESS_DENIED',
      })
    },
  })
  take(loader, 'look at files', '_findPath', 'findPackageJSON')
  take(loader, 'change how modules are loaded', 'register', 'registerHooks')
  loader.syncBuiltinESMExports()
}
