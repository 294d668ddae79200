/** Keeps the process alive while work waits on a timer alone: the timers of a System do not, and without a connection nothing else would. */

const longestDelayMs = 2 ** 31 - 1

export function stayAlive(): Disposable {
  const timer = setInterval(() => {}, longestDelayMs)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
