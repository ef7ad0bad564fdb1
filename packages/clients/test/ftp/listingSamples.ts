/**
 * Listings as servers print them, written after what each prints, and what is to be read in each line: type, size, time
 * to its precision (`Z` if it is known to be UTC), mode, owner, group, name, target, role. They were asked for on
 * 15 May 2024.
 */
export const servers: ReadonlyArray<readonly [string, string, ReadonlyArray<string>]> = [
  [
    "vsftpd",
    "drwxr-xr-x    2 1000     1000         4096 Jan 12 09:41 pub\r\n" +
    "-rw-r--r--    1 ftp      ftp      67108864 Nov 30  2021 big file.bin\r\n" +
    "lrwxrwxrwx    1 0        0               7 Apr 02 2023 latest -> big.bin\r\n",
    [
      "d 4096 2024-01-12T09:41 755 1000 1000 \"pub\"",
      "- 67108864 2021-11-30 644 ftp ftp \"big file.bin\"",
      "l 7 2023-04-02 777 0 0 \"latest\" -> \"big.bin\""
    ]
  ],
  [
    "ProFTPD",
    "drwxr-xr-x   3 alice    users        4096 May 15 08:00 .\r\n" +
    "drwxr-xr-x   9 root     root         4096 May 14 08:00 ..\r\n" +
    "-rw-rw-r--   1 alice    users         120 May 15 11:59 notes 2024.txt\r\n" +
    "prw-r--r--   1 alice    users           0 May  1 00:00 fifo\r\n",
    [
      "d 4096 2024-05-15T08:00 755 alice users \".\" self",
      "d 4096 2024-05-14T08:00 755 root root \"..\" parent",
      "- 120 2024-05-15T11:59 664 alice users \"notes 2024.txt\"",
      "o - 2024-05-01T00:00 644 alice users \"fifo\""
    ]
  ],
  [
    "Pure-FTPd",
    "total 16\r\n" +
    "drwx--x---   12 502        staff            4096 Feb 29 10:21 archive\r\n" +
    "-rw-r--r--    1 502        staff           28342 Dec 24 23:59 caf\u00e9.txt\r\n",
    ["d 4096 2024-02-29T10:21 710 502 staff \"archive\"", "- 28342 2023-12-24T23:59 644 502 staff \"café.txt\""]
  ],
  [
    "FileZilla Server",
    "drwxr-xr-x 1 ftp ftp              0 Mar 09  2020 data\r\n" +
    "-rw-r--r-- 1 ftp ftp        1048576 Apr 11 07:33 setup (1).exe\r\n",
    ["d 0 2020-03-09 755 ftp ftp \"data\"", "- 1048576 2024-04-11T07:33 644 ftp ftp \"setup (1).exe\""]
  ],
  [
    "wu-ftpd",
    "total 2\n" +
    "dr-xr-xr-x   2 root     other        512 Apr  8  1994 etc\n" +
    "dr-xr-xr-x   2 root                  512 Apr  8  1994 bin\n" +
    "lrwxrwxrwx   1 root     other          7 Jan 25 00:17 usr -> bin/usr\n" +
    "-r--r--r--   1 root     other    1024990 Jul  2 9:05 a  b\n",
    [
      "d 512 1994-04-08 555 root other \"etc\"",
      "d 512 1994-04-08 555 root - \"bin\"",
      "l 7 2024-01-25T00:17 777 root other \"usr\" -> \"bin/usr\"",
      "- 1024990 2023-07-02T09:05 444 root other \"a  b\""
    ]
  ],
  [
    "IIS, MS-DOS style",
    "12-05-96  05:03PM       <DIR>          my dir\r\n" +
    "02-29-2024  12:00AM                  953 MYFILE.INI\r\n" +
    "11-14-97  12:21PM                    0 a.b\r\n" +
    "01-01-69  04:21AM       <DIR>            two blanks\r\n",
    [
      "d - 1996-12-05T17:03 - - - \"my dir\"",
      "- 953 2024-02-29T00:00 - - - \"MYFILE.INI\"",
      "- 0 1997-11-14T12:21 - - - \"a.b\"",
      "d - 2069-01-01T04:21 - - - \"  two blanks\""
    ]
  ],
  [
    "IIS, Unix style",
    "d---------   1 owner    group               0 Sep 26 21:59 SMTP\r\n" +
    "----------   1 owner    group         1803128 Jul 10 10:18 ls-lR.Z\r\n",
    ["d 0 2023-09-26T21:59 0 owner group \"SMTP\"", "- 1803128 2023-07-10T10:18 0 owner group \"ls-lR.Z\""]
  ],
  [
    "Windows, other settings",
    "2013-09-02  18:48       <DIR>          logs\r\n" +
    "2013-09-02  19:06:31            9,730 report.txt\r\n" +
    "23.11.2019 07:05            12.345 bericht.txt\r\n" +
    "03-10-21 11:12       <DIR> System Volume Information\r\n" +
    "04-23-103  10:57                36611 years.dat\r\n",
    [
      "d - 2013-09-02T18:48 - - - \"logs\"",
      "- 9730 2013-09-02T19:06:31 - - - \"report.txt\"",
      "- 12345 2019-11-23T07:05 - - - \"bericht.txt\"",
      "d - 2021-03-10T11:12 - - - \"System Volume Information\"",
      "- 36611 2003-04-23T10:57 - - - \"years.dat\""
    ]
  ],
  [
    "Windows, links",
    "11/02/2006  05:02 AM    <JUNCTION>     Documents and Settings [C:\\Users]\r\n" +
    "07/14/2009  01:08 AM    <SYMLINKD>     All Users [C:\\ProgramData]\r\n",
    [
      "l - 2006-11-02T05:02 - - - \"Documents and Settings\" -> \"C:\\\\Users\"",
      "l - 2009-07-14T01:08 - - - \"All Users\" -> \"C:\\\\ProgramData\""
    ]
  ],
  [
    "Windows CE",
    "01-01-98  08:00AM       <DIR>          Flash File Store\r\n01-01-98  12:30PM                  144 SETUP.TXT\r\n",
    ["d - 1998-01-01T08:00 - - - \"Flash File Store\"", "- 144 1998-01-01T12:30 - - - \"SETUP.TXT\""]
  ],
  [
    "NetWare",
    "total 0\r\n" +
    "d [R----F--] supervisor            512       Jan 16 18:53    login\r\n" +
    "- [RWCEAFMS] rhesus             214059       Oct 20 15:27    cx one.exe\r\n",
    ["d 512 2024-01-16T18:53 - supervisor - \"login\"", "- 214059 2023-10-20T15:27 - rhesus - \"cx one.exe\""]
  ],
  [
    "NetPresenz",
    "-------r--         326  1391972  1392298 Nov 22  1995 MegaPhone.sit\r\n" +
    "drwxrwxr-x               folder        2 May 10  1996 network\r\n",
    ["- 1392298 1995-11-22 4 1391972 - \"MegaPhone.sit\"", "d 2 1996-05-10 775 - - \"network\""]
  ],
  [
    "publicfile (EPLF)",
    "+i8388621.48594,m825718503,r,s280,up644,\tdjb.html\r\n+i8388621.50690,m824255907,/,\ta dir\r\n",
    ["- 280 1996-03-01T22:15:03Z 644 - - \"djb.html\"", "d - 1996-02-13T23:58:27Z - - - \"a dir\""]
  ],
  [
    "devices, sockets and ACLs",
    "crw-r----- 1 root kmem 0, 27 Jan 30 11:42 kmem\n" +
    "brw-------   1 root     sys      109,767 Jul  2  2004 pci@1c,600000:devctl\n" +
    "srwxr-xr-x 1 root root 0 May 1 10:00 sock\n" +
    "drwxrwx---+ 23 500     500    0 Jan 10 13:09 acl\n" +
    "-rw-r--r--. 1 root root 5 May 1 10:00 selinux\n" +
    "-rwsr-Sr-t  1 root root 5 May 1 10:00 bits\n",
    [
      "o - 2024-01-30T11:42 640 root kmem \"kmem\"",
      "o - 2004-07-02 600 root sys \"pci@1c,600000:devctl\"",
      "o - 2024-05-01T10:00 755 root root \"sock\"",
      "d 0 2024-01-10T13:09 770 500 500 \"acl\"",
      "- 5 2024-05-01T10:00 644 root root \"selinux\"",
      "- 5 2024-05-01T10:00 7745 root root \"bits\""
    ]
  ],
  [
    "owners and groups that are odd",
    "-rw-r--r--   1 1        3518644 May 25  2020 no group\n" +
    "-rw-r--r--   1 ftp      Domain Users of here   83853 Jan 22  2001 blanks\n" +
    "drwxr-xr-x123456 a b 5 Jan 22  2001 many links\n" +
    "-rw-r--r-- 1 500 500 12 Jan 5 10:00 7 Feb 2 2002 trap\n" +
    "-rw-r--r--   1 root     other  33.5k Oct 5 21:22 coarse\n",
    [
      "- 3518644 2020-05-25 644 1 - \"no group\"",
      "- 83853 2001-01-22 644 ftp Domain Users of here \"blanks\"",
      "d 5 2001-01-22 755 a b \"many links\"",
      "- 12 2024-01-05T10:00 644 500 500 \"7 Feb 2 2002 trap\"",
      "- - 2023-10-05T21:22 644 root other \"coarse\""
    ]
  ],
  [
    "German, French and others",
    "insgesamt 8\n" +
    "-rw-r--r--   1 root     other       531 26. Mär 20:10 a\n" +
    "-rw-r--r--   1 root     other       531 2.   Okt.  2003 b\n" +
    "-rw-r--r--   1 root     other       531 Mai  3  2003 c\n" +
    "-rw-r--r--   1 root     other       531 Dez 24 18:00 d\n" +
    "-rw-r--r--   1 root     other       531 14 févr. 2019 e\n" +
    "-rw-r--r--   1 root     other       531 31 août  2020 f\n" +
    "-rw-r--r--   1 root     other       531 13 juil. 2020 g\n" +
    "-rw-r--r--   1 root     other       531 ago  7 10:00 h\n" +
    "-rw-r--r--   1 root     other       531 янв 29  2001 i\n" +
    "-rw-r--r--   1 root     other       531 szept 26 20:10 j\n" +
    "-rw-r--r--   1 root     other       531 Şub 26 20:10 k\n",
    [
      "- 531 2024-03-26T20:10 644 root other \"a\"",
      "- 531 2003-10-02 644 root other \"b\"",
      "- 531 2003-05-03 644 root other \"c\"",
      "- 531 2023-12-24T18:00 644 root other \"d\"",
      "- 531 2019-02-14 644 root other \"e\"",
      "- 531 2020-08-31 644 root other \"f\"",
      "- 531 2020-07-13 644 root other \"g\"",
      "- 531 2023-08-07T10:00 644 root other \"h\"",
      "- 531 2001-01-29 644 root other \"i\"",
      "- 531 2023-09-26T20:10 644 root other \"j\"",
      "- 531 2024-02-26T20:10 644 root other \"k\""
    ]
  ],
  [
    "Japanese, Chinese and Korean",
    "合計 4\n" +
    "-rw-rw---- 1 ep1adm sapsys 0 6月 3日 2003年 試験.csv\n" +
    "-rw-rw---- 1 ep1adm sapsys 0 8月 17日 20:10 caerrinf\n" +
    "-rw-rw---- 1 ep1adm sapsys 0 12月  1 2003 x\n" +
    "-rw-rw---- 1 ep1adm sapsys 0 2003 3월 20 y\n",
    [
      "- 0 2003-06-03 660 ep1adm sapsys \"試験.csv\"",
      "- 0 2023-08-17T20:10 660 ep1adm sapsys \"caerrinf\"",
      "- 0 2003-12-01 660 ep1adm sapsys \"x\"",
      "- 0 2003-03-20 660 ep1adm sapsys \"y\""
    ]
  ],
  [
    "numeric dates",
    "-rw-r--r--   1 root     other        531 2005-06-07 21:22 a\n" +
    "-rw-r--r--   1 root     other        531 2005-06-07 21:22:23.000000000 +0200 b\n" +
    "-rw-r--r--   1 root     other        531 1999/10/12 17:12 c\n" +
    "-rw-r--r--   1 root     other        531 24-04-2003 17:12 d\n" +
    "-rw-r--r--   1 root     other        531 2004.07.15   e\n" +
    "-rw-r--r--   1 root     other        531 09-26 2000 f\n" +
    "-rw-r--r--   1 root     other        531 09-26 13:45 g\n" +
    "-rw-r--r--   1 root     other        531 3 29 03:26 h\n" +
    "-rw-r--r--   1 root     wheel        531 Mar 17 11:07:12 2021 i\n" +
    "-rw-r--r-- 1 1 2 2001 Jan 5 10:00 not numeric\n",
    [
      "- 531 2005-06-07T21:22 644 root other \"a\"",
      "- 531 2005-06-07T19:22:23Z 644 root other \"b\"",
      "- 531 1999-10-12T17:12 644 root other \"c\"",
      "- 531 2003-04-24T17:12 644 root other \"d\"",
      "- 531 2004-07-15 644 root other \"e\"",
      "- 531 2000-09-26 644 root other \"f\"",
      "- 531 2023-09-26T13:45 644 root other \"g\"",
      "- 531 2024-03-29T03:26 644 root other \"h\"",
      "- 531 2021-03-17T11:07:12 644 root wheel \"i\"",
      "- 2001 2024-01-05T10:00 644 1 2 \"not numeric\""
    ]
  ],
  [
    "names that could be anything",
    "-rw-r--r-- 1 a b 5 May  1 10:00   two blanks before and after  \n" +
    "-rw-r--r-- 1 a b 5 May  1 10:00 1 2 May 3 11:00 x\n" +
    "-rw-r--r-- 1 a b 5 May  1 10:00 not -> a link\n" +
    "lrwxrwxrwx 1 a b 8 May  1 10:00 a -> b -> c -> d\n" +
    "lrwxrwxrwx 1 a b 3 May  1 10:00 a -> b -> c/d\n" +
    "lrwxrwxrwx 1 a b 3 May  1 10:00 broken link\n" +
    "-rw-r--r-- 1 a b 5 May  1 10:00 total 5\n" +
    "-rw-r--r-- 1 a b 5 May  1 10:00 type=file; x\n",
    [
      "- 5 2024-05-01T10:00 644 a b \"  two blanks before and after  \"",
      "- 5 2024-05-01T10:00 644 a b \"1 2 May 3 11:00 x\"",
      "- 5 2024-05-01T10:00 644 a b \"not -> a link\"",
      "l 8 2024-05-01T10:00 777 a b \"a\" -> \"b -> c -> d\"",
      "l 3 2024-05-01T10:00 777 a b \"a -> b\" -> \"c/d\"",
      "l 3 2024-05-01T10:00 777 a b \"broken link\"",
      "- 5 2024-05-01T10:00 644 a b \"total 5\"",
      "- 5 2024-05-01T10:00 644 a b \"type=file; x\""
    ]
  ]
]
