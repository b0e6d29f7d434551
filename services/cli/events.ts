// Server-sent events from a response body.

export type ServerEvent = { readonly event: string; readonly data: string; readonly id?: string }

export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const fields = block.split('\n').filter((line) => line !== '' && !line.startsWith(':'))
      const all = (name: string) =>
        fields.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trimStart())
      const data = all('data').join('\n')
      if (data === '') continue
      const id = all('id').at(-1)
      yield { event: all('event').at(-1) ?? 'message', data, ...(id === undefined ? {} : { id }) }
    }
  }
}
