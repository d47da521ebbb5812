// The site of docs/: nothing in there is written for a generator, so that it reads as well on
// GitHub. `make site` copies it to pages/, since what a page imports is looked for above it. A
// link to a page that is not there ends the build.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'

const docs = fileURLToPath(new URL('../pages/', import.meta.url))
const title = file => readFileSync(docs + file, 'utf8').match(/^# (.*)$/m)[1]
const page = file => ({ text: title(file), link: '/' + file.replace(/\.md$/, '') })

// The ids of headings are GitHub's, which the pages' links go by.
const slugify = text => text.trim().toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replace(/ /g, '-')

const guide = ['tutorial.md', 'aws.md', 'install.md', 'rollouts.md', 'notices.md', 'costs.md', 'ci.md', 'templates.md', 'preprocess.md', 'model.md']
const reference = ['cli.md', 'spec.md', 'blocks.md', 'resources.md', 'json-output.md', 'exit-codes.md', 'errors.md', 'keys.md', 'sandbox.md']
const inside = ['ARCHITECTURE.md', 'benchmarks.md']
const decisions = readdirSync(docs + 'decisions').filter(f => f.endsWith('.md')).sort().map(f => 'decisions/' + f)

// A page that is in no list is one that nobody finds.
const listed = new Set(['README.md', ...guide, ...reference, ...inside])
const lost = readdirSync(docs).filter(f => f.endsWith('.md') && !listed.has(f))
if (lost.length) throw new Error('in no list of the site: ' + lost.join(', '))

export default defineConfig({
  title: 'pipelinetui',
  description: 'ML inference pipelines on AWS, one Pulumi stack per model and tenant',
  srcDir: 'pages',
  outDir: '../dist/site',
  cacheDir: '.vitepress/cache',
  rewrites: { 'README.md': 'index.md' },
  cleanUrls: false,
  head: [
    ['link', { rel: 'icon', href: 'data:,' }], // browsers ask for one
    ['style', {}, '.vp-doc code.short { white-space: nowrap }'],
  ],
  markdown: {
    // Words in angle brackets are words, and no elements of a page.
    config: md => {
      md.set({ html: false })
      // A flag is not broken behind its hyphen.
      const inline = md.renderer.rules.code_inline
      md.renderer.rules.code_inline = (tokens, i, ...rest) => {
        if (tokens[i].content.length <= 30) tokens[i].attrJoin('class', 'short')
        return inline(tokens, i, ...rest)
      }
      // What a command prints is no language.
      md.core.ruler.push('output', state => {
        for (const t of state.tokens) if (t.type === 'fence' && t.info === 'output') t.info = 'txt'
      })
    },
    anchor: { slugify },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Guide', link: '/tutorial' },
      { text: 'Commands', link: '/cli' },
      { text: 'Spec', link: '/spec' },
    ],
    sidebar: [
      { text: 'Guide', items: guide.map(page) },
      { text: 'Reference', items: reference.map(page) },
      { text: 'Inside', items: [...inside.map(page), { text: 'Decisions', collapsed: true, items: decisions.map(page) }] },
    ],
  },
})
