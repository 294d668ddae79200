/** Waits for what passes by itself: a coordinator that begins its work, a leader that moves. */
import type { System } from '../base.ts'
import { ClientError, mayPass } from '../client.ts'

const pauseMs = 500

/** Runs `work`, which may be done twice, until it succeeds, fails for a reason that stays, or this time is over. */
export async function patiently<T>({ clock, timers }: System, patienceMs: number, work: () => Promise<T>): Promise<T> {
  const beganMs = clock.monotonic()
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof ClientError) || !mayPass(error) || clock.monotonic() - beganMs > patienceMs) throw error
      await new Promise<void>(resolve => timers.after(pauseMs, resolve))
    }
  }
}
