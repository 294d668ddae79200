/** Bytes as `hexdump -C` shows them. */

const width = 16

export function hexOf(all: Uint8Array, most: number): string {
  const lines: string[] = []
  for (let at = 0; at < Math.min(all.length, most); at += width) {
    const part = [...all.subarray(at, Math.min(at + width, most))]
    const digits = part.map(byte => byte.toString(16).padStart(2, '0')).join(' ')
    const shown = part.map(byte => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    lines.push(`${at.toString(16).padStart(6, '0')}  ${digits.padEnd(width * 3 - 1)}  ${shown}`)
  }
  if (all.length > most) lines.push(`… ${all.length - most} more bytes`)
  return lines.join('\n')
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), each => each.charCodeAt(0))
}
