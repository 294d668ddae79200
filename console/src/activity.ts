/** How long ago this person last did something: pages ask for news by themselves, and that must not keep a login alive. */
let lastMs = Date.now()
for (const event of ['pointerdown', 'pointermove', 'keydown', 'wheel'])
  window.addEventListener(event, () => void (lastMs = Date.now()), { passive: true, capture: true })

export const idleHeader = 'x-idle-ms'

export function idleMs(): string {
  return String(Math.max(Date.now() - lastMs, 0))
}
