/** PostgreSQL's text of arrays: `{1,NULL,"a \"quoted\" text"}`, with bounds before it where they do not begin at 1. */

/** Of one dimension. Throws RangeError if there are more, and if it is no array. */
export function parseArray(text: string): (string | null)[] {
  const body = text.startsWith('[') ? text.slice(text.indexOf('=') + 1) : text
  if (!body.startsWith('{') || !body.endsWith('}')) throw new RangeError('a value is no array')
  const items: (string | null)[] = []
  let at = 1
  while (body[at] !== '}') {
    if (body[at] === '{') throw new RangeError('an array has more than one dimension')
    if (body[at] === '"') {
      let item = ''
      for (at++; body[at] !== '"'; at++) {
        if (body[at] === '\\') at++
        if (at >= body.length) throw new RangeError('an array has no end')
        item += body[at]
      }
      items.push(item)
      at++
    } else {
      const end = /[,}]/g
      end.lastIndex = at
      const stop = end.exec(body)!.index
      const item = body.slice(at, stop)
      items.push(item === 'NULL' ? null : item)
      at = stop
    }
    if (body[at] === ',') at++
    else if (body[at] !== '}' || at !== body.length - 1) throw new RangeError('a value is no array')
  }
  return items
}

/** hstore: `"a"=>"1", "b"=>NULL`. Throws RangeError. */
export function parseHstore(text: string): [key: string, value: string | null][] {
  const entry = /"((?:[^"\\]|\\.)*)"=>(?:"((?:[^"\\]|\\.)*)"|(NULL))(?:, |$)/gy
  const unescaped = (part: string) => part.replace(/\\(.)/gs, '$1')
  const pairs: [string, string | null][] = []
  while (entry.lastIndex < text.length) {
    const match = entry.exec(text)
    if (match === null) throw new RangeError('a value is no hstore')
    pairs.push([unescaped(match[1]!), match[2] === undefined ? null : unescaped(match[2])])
  }
  return pairs
}
