/** The peer that uses nodemailer. */
import { nodePeer } from "./node-peer.js"

/** The best-known SMTP client for Node. */
export const nodemailer = nodePeer({
  name: "nodemailer",
  title: "nodemailer",
  module: "nodemailer",
  programs: {
    "smtp-messages": "nodemailer-smtp",
    "smtp-messages-tls": "nodemailer-smtp",
    "smtp-attachment": "nodemailer-smtp",
    "smtp-attachment-tls": "nodemailer-smtp"
  }
})
